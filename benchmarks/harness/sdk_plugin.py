"""A pytest plugin that plays the SDK's end-to-end tests against an emulator, and notes what came out of each.

It stands in for `devtools_testutils`, which records and replays the traffic of those tests: here they run live. A test
*ran* when a job that it submitted was executed to its end, or a deployment that it made served; else it only *stored*.
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
# Clusters that Microsoft's tests expect in their workspace.
_COMPUTES: Final = (
    "gpu-cluster",
    "cpucluster",
    "batch-cluster",
    "testCompute",
    "DataFactory",
    "adftest",
    "cpu-cluster-1",
)
_LONGEST_SLEEP_SECONDS: Final = 1.0
_JOB: Final = re.compile(r"^(?P<id>/subscriptions/.*/jobs/[^/]+)$", re.IGNORECASE)
_DEPLOYMENT: Final = re.compile(r"/onlineEndpoints/[^/]+/deployments/[^/]+$", re.IGNORECASE)
_ENDED: Final = {"Completed", "Failed"}
_API_VERSION: Final = "2024-01-01-preview"


class RecordedTestCase:
    """The base class of the tests, without a recording."""

    is_live = True

    def create_random_name(self, prefix: str) -> str:
        """A name that no other test has."""
        return prefix + uuid.uuid4().hex[:8]

    def get_resource_name(self, name: str) -> str:
        """As above, by the older name."""
        return self.create_random_name(name)


class VariableRecorder:
    """Keeps the names and hashes that a test makes up, which are the same for the whole test."""

    def __init__(self) -> None:
        self._variables: dict[str, str] = {}

    def get_or_record(self, name: str, value: str) -> str:
        """What was made up first."""
        return self._variables.setdefault(name, value)


class EnvironmentVariables(dict[str, str]):
    """The variables that name the workspace of the tests."""

    def sanitize_batch(self, names: dict[str, str]) -> dict[str, str]:
        """Their values, which nothing needs to hide."""
        return {name: os.environ.get(name, "") for name in names}


class Outcomes:
    """One emulator, and a line per test about what it did there."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sdk-tests-")))
        self._record = Path(os.environ.get("SDK_TESTS_RECORD", folder / "exchanges.jsonl"))
        self._record.touch()
        state = running_emulator(
            folder / "state", background_start="lazy", computes=_COMPUTES, record=self._record, parallel_steps=2
        )
        self.emulator: RunningEmulator = self._stack.enter_context(state)
        self._offset = 0

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
        return served or any(self._status(job) in _ENDED for job in jobs if job)

    def _status(self, job: str) -> str | None:
        address = urlsplit(self.emulator.base_url)
        connection = http.client.HTTPSConnection(address.netloc, context=self.emulator.trust())
        try:
            headers = {"Authorization": f"Bearer {self.emulator.token()}"}
            connection.request("GET", f"{job}?api-version={_API_VERSION}", headers=headers)
            answer = connection.getresponse()
            return _property(json.loads(answer.read()), "status") if answer.status == http.client.OK else None
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
        ML_FEATURE_STORE_NAME="featurestore",
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
    package.__path__ = []
    settings = (
        "add_body_key_sanitizer add_general_regex_sanitizer add_general_string_sanitizer add_remove_header_sanitizer "
        "remove_batch_sanitizers set_bodiless_matcher set_custom_default_matcher add_uri_regex_sanitizer"
    )
    vars(package).update(dict.fromkeys(settings.split(), nothing))
    vars(package).update(AzureRecordedTestCase=RecordedTestCase, is_live=live, is_live_and_not_recording=live)
    _module("devtools_testutils.fake_credentials", SANITIZED="Sanitized", FakeTokenCredential=RecordedTestCase)
    _module("devtools_testutils.helpers", is_live=live, is_live_and_not_recording=live)
    _module("devtools_testutils.proxy_fixtures", VariableRecorder=VariableRecorder)
    sys.modules["devtools_testutils"] = package


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
def environment_variables() -> EnvironmentVariables:
    """The variables that name the workspace."""
    return EnvironmentVariables()


@pytest.fixture
def variable_recorder() -> VariableRecorder:
    """What keeps made-up names."""
    return VariableRecorder()
