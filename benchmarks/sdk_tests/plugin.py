"""A pytest plugin that plays the SDK's end-to-end tests against an emulator, and notes what came out of each.

It stands in for `devtools_testutils`, which records and replays the traffic of those tests: here they run live. A test
*ran* when a job that it submitted was completed, or a deployment that it made served; else it only *stored*.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import tempfile
import time
import types
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator

# Where the outcomes go, a line of JSON per test.
RESULTS: Final = "SDK_TESTS_RESULTS"
# A file that keeps every exchange, to look at; by default they are dropped.
RECORD: Final = "SDK_TESTS_RECORD"
# Clusters that Microsoft's tests expect in their workspace.
_COMPUTES: Final = (
    "gpu-cluster",
    "cpucluster",
    "batch-cluster",
    "testCompute",
    "DataFactory",
    "adftest",
    "cpu-cluster-1",
    "automl-cpu-cluster",
)
_REGISTRIES: Final = ("testFeed", "sdk-test", "sdkv2-testFeed", "UnsecureTest-testFeed", "UnsecureTest-hello-world")
_FEATURE_STORE: Final = "featurestore"
_LOCATION: Final = "eastus2euap"
_LONGEST_SLEEP_SECONDS: Final = 1.0
_JOB: Final = re.compile(r"^(?P<id>/subscriptions/.*/jobs/[^/]+)$", re.IGNORECASE)
_DEPLOYMENT: Final = re.compile(r"/onlineEndpoints/[^/]+/deployments/[^/]+$", re.IGNORECASE)
_COMPLETED: Final = "Completed"
_API_VERSION: Final = "2024-01-01-preview"


class Replaced:
    """Something of `devtools_testutils` with the members that the tests use."""

    def __init__(self, **members: object) -> None:
        vars(self).update(members)


class Outcomes:
    """One emulator, and a line per test about what it did there."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sdk-tests-")))
        self._record = Path(os.environ.get(RECORD, folder / "exchanges.jsonl"))
        self._record.touch()
        state = running_emulator(
            folder / "state",
            strict=True,
            background_start="lazy",
            computes=_COMPUTES,
            location=_LOCATION,
            record=self._record,
            parallel_steps=2,
        )
        self.emulator: RunningEmulator = self._stack.enter_context(state)
        self._offset = 0
        self._prepare()

    def _prepare(self) -> None:
        """Make the workspace and the registries of the tests: some make their own, which needs a strict emulator."""
        variables = self.emulator.variables
        group = (
            f"/subscriptions/{variables['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{variables['AZURE_RESOURCE_GROUP']}"
        )
        above = f"{group}/providers/Microsoft.MachineLearningServices"
        self._ask("PUT", f"{above}/workspaces/{variables['AZUREML_WORKSPACE_NAME']}", {"location": _LOCATION})
        self._ask("PUT", f"{above}/workspaces/{_FEATURE_STORE}", {"location": _LOCATION, "kind": "FeatureStore"})
        for registry in _REGISTRIES:
            self._ask("PUT", f"{above}/registries/{registry}", {"location": _LOCATION, "properties": {}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """A test begins: what others did until now is not its own."""
        self._offset = self._record.stat().st_size

    def ran(self) -> bool:
        """Whether the test that ends now made something run."""
        with self._record.open("rb") as stream:
            stream.seek(self._offset)
            exchanges = [json.loads(line) for line in stream]
        served = any(
            _DEPLOYMENT.search(each["path"]) and _property(each["response"], "provisioningState") == "Succeeded"
            for each in exchanges
        )
        jobs = {_job_id(each["path"]) for each in exchanges if each["method"] == "PUT" and each["status"] < 400}
        return served or any(self._status(job) == _COMPLETED for job in jobs if job)

    def _status(self, job: str) -> str | None:
        return _property(self._ask("GET", job), "status")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the emulator answers."""
        address = urlsplit(self.emulator.base_url)
        connection = http.client.HTTPSConnection(address.netloc, context=self.emulator.trust())
        try:
            headers = {"Authorization": f"Bearer {self.emulator.token()}", "Content-Type": "application/json"}
            sent = None if body is None else json.dumps(body)
            connection.request(method, f"{path}?api-version={_API_VERSION}", sent, headers)
            return json.loads(connection.getresponse().read() or "null")
        finally:
            connection.close()


def _job_id(path: str) -> str | None:
    found = _JOB.match(path)
    return found["id"] if found else None


def _property(document: Any, name: str) -> str | None:
    properties = document.get("properties") if isinstance(document, dict) else None
    return properties.get(name) if isinstance(properties, dict) else None


_outcomes: list[Outcomes] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the emulator, and set its variables before the SDK is imported by the tests' conftest.py."""
    outcomes = Outcomes()
    _outcomes.append(outcomes)
    variables = outcomes.emulator.variables
    os.environ.update(
        variables,
        ML_SUBSCRIPTION_ID=variables["AZURE_SUBSCRIPTION_ID"],
        ML_RESOURCE_GROUP=variables["AZURE_RESOURCE_GROUP"],
        ML_WORKSPACE_NAME=variables["AZUREML_WORKSPACE_NAME"],
        ML_FEATURE_STORE_NAME=_FEATURE_STORE,
        ML_TEST_STORAGE_ACCOUNT_NAME="teststorageaccount",
        ML_TEST_STORAGE_ACCOUNT_PRIMARY_KEY="a2V5",
        ML_TEST_STORAGE_ACCOUNT_SECONDARY_KEY="a2V5",
    )
    import azure.identity

    vars(azure.identity)["AzureCliCredential"] = azure.identity.DefaultAzureCredential
    _replace_recording()
    _shorten_sleeps(time.sleep)


def pytest_unconfigure() -> None:
    """Stop the emulator."""
    while _outcomes:
        _outcomes.pop().__exit__()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None]:
    """Note when a test begins and that it began, so that one that hangs is named too."""
    _outcomes[0].start()
    _write({"test": item.nodeid, "outcome": "began"})
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any]:
    """Write the outcome of a test: of its setup where that did not pass, else of its call."""
    report = (yield).get_result()
    if report.when == "teardown" or (report.when == "setup" and report.passed):
        return
    line: dict[str, Any] = {"test": item.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 1)}
    if report.passed:
        line["ran"] = _outcomes[0].ran()
    else:
        line["reason"] = _reason(report.longrepr)
    _write(line)


def _write(line: dict[str, Any]) -> None:
    with Path(os.environ[RESULTS]).open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def _reason(longrepr: Any) -> str:
    if isinstance(longrepr, tuple):
        return str(longrepr[2])
    crash = getattr(longrepr, "reprcrash", None)
    return str(crash.message if crash else longrepr)


def _replace_recording() -> None:
    def nothing(*_: object, **__: object) -> None:
        return None

    def live() -> bool:
        return True

    package = types.ModuleType("devtools_testutils")
    vars(package)["__path__"] = []
    settings = (
        "add_body_key_sanitizer add_general_regex_sanitizer add_general_string_sanitizer add_remove_header_sanitizer "
        "remove_batch_sanitizers set_bodiless_matcher set_custom_default_matcher add_uri_regex_sanitizer"
    )
    vars(package).update(dict.fromkeys(settings.split(), nothing))
    case = type("AzureRecordedTestCase", (), {"is_live": True, "create_random_name": _random_name})
    vars(package).update(AzureRecordedTestCase=case, is_live=live, is_live_and_not_recording=live)
    _module("devtools_testutils.fake_credentials", SANITIZED="Sanitized", FakeTokenCredential=object)
    _module("devtools_testutils.helpers", is_live=live, is_live_and_not_recording=live)
    _module("devtools_testutils.proxy_fixtures", VariableRecorder=Replaced)
    sys.modules["devtools_testutils"] = package


def _random_name(_: object, prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:8]


def _module(name: str, **members: object) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def _shorten_sleeps(sleep: Callable[[float], None]) -> None:
    # The tests wait for Azure's minutes.
    vars(time)["sleep"] = lambda seconds: sleep(min(seconds, _LONGEST_SLEEP_SECONDS))


@pytest.fixture(scope="session")
def test_proxy() -> None:
    """The proxy of recordings, which nothing needs."""


@pytest.fixture
def recorded_test() -> None:
    """The recording of a test, which nothing needs."""


@pytest.fixture
def environment_variables() -> Replaced:
    """The variables that name the workspace, which nothing needs to hide."""
    return Replaced(sanitize_batch=lambda names: {name: os.environ.get(name, "") for name in names}, get=os.environ.get)


@pytest.fixture
def variable_recorder() -> Replaced:
    """What keeps the names that a test makes up, which are the same for the whole test."""
    made_up: dict[str, str] = {}
    return Replaced(get_or_record=made_up.setdefault)
