"""The emulators that tests drive: one real process per worker for the SDK, and fresh ones to kill and restart.

The SDK takes its environment when it is imported and when a client is made, so the session's emulator
sets the variables before any test imports it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from azureml_emulator.testing import PATIENCE_SECONDS, RunningEmulator, running_emulator

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

SCHEMAS = Path(__file__).parents[4] / "shared" / "specs"
PUBLISHED = "https://schema.management.azure.com/schemas/VERSION/Microsoft.MachineLearningServices.json"
ARM = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"


@pytest.fixture(scope="session")
def specification() -> Any:
    """The module beside this file."""
    return load_module(Path(__file__).with_name("specification.py"))


@pytest.fixture(scope="session")
def module_of() -> Callable[[Path], Any]:
    """Loads a module that tests share; others can then import it by name."""
    return load_module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "schemas" in getattr(item, "fixturenames", ()):
            item.add_marker("published_files")


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The folder of Microsoft's schemas; skips the test where it is not present."""
    if not SCHEMAS.is_dir():
        pytest.skip(f"needs Microsoft's schemas in {SCHEMAS}, from {PUBLISHED}")
    return SCHEMAS


@pytest.fixture(scope="session")
def record_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("record") / "exchanges.jsonl"
    # The emulator creates it with the first exchange, which some selections of tests never make.
    file.touch(mode=0o600)
    return file


@pytest.fixture(scope="session")
def emulator(
    tmp_path_factory: pytest.TempPathFactory, record_file: Path, specification: Any
) -> Generator[RunningEmulator]:
    """The worker's emulator; its variables are set in this process for as long as it runs."""
    state = tmp_path_factory.mktemp("emulator") / "state"
    # Its jobs may read from web servers of tests.
    given: dict[str, Any] = {"record": record_file, "background_start": "lazy", "web": {"loopback": True}}
    with running_emulator(state, **given) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        yield running
        # All requests of the worker's tests, and the replies, must be what Microsoft's schemas allow.
        exchanges = [json.loads(line) for line in record_file.read_text().splitlines()]
        if SCHEMAS.is_dir():
            _, deviating = specification.deviations(exchanges, SCHEMAS)
            assert not deviating, "\n".join(deviating)


@pytest.fixture(scope="session")
def credential(emulator: RunningEmulator) -> Any:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


@pytest.fixture(scope="session")
def ml_client(emulator: RunningEmulator, credential: Any) -> MLClient:
    """The unmodified SDK on the workspace that `azureml-emulator env` names."""
    from azure.ai.ml import MLClient

    names = emulator.variables
    return MLClient(
        credential,
        names["AZURE_SUBSCRIPTION_ID"],
        names["AZURE_RESOURCE_GROUP"],
        names["AZUREML_WORKSPACE_NAME"],
    )


@pytest.fixture(scope="session")
def registry_client(emulator: RunningEmulator, credential: Any) -> MLClient:
    from azure.ai.ml import MLClient

    return MLClient(credential, registry_name=emulator.variables["AZUREML_REGISTRY_NAME"])


@pytest.fixture
def fresh_emulator(tmp_path: Path) -> Generator[Callable[..., RunningEmulator]]:
    """Starts emulators for one test, each on a folder below its tmp_path, and stops them after it."""
    started: list[RunningEmulator] = []

    def start(folder: str = "state", **settings: Any) -> RunningEmulator:
        from azureml_emulator.kernel.settings import Settings

        # Most of these run for seconds: MLflow starts on first use.
        given: dict[str, Any] = {"background_start": "lazy", **settings}
        running = RunningEmulator(Settings(state=tmp_path / folder, **given))
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def http(emulator: RunningEmulator) -> Generator[httpx.Client]:
    """Raw requests with a token, to the worker's emulator."""
    with raw_client(emulator) as client:
        yield client


@pytest.fixture(scope="session")
def client_of() -> Generator[Callable[[RunningEmulator], httpx.Client]]:
    """Makes a client for raw requests with a token, for any emulator; it is closed at the end."""
    made: list[httpx.Client] = []

    def make(running: RunningEmulator) -> httpx.Client:
        made.append(raw_client(running))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def workspace(emulator: RunningEmulator) -> str:
    """The ARM path of the workspace that `ml_client` uses."""
    return workspace_path(emulator)


@pytest.fixture(scope="session")
def workspace_of() -> Callable[..., str]:
    """The ARM path of a workspace of any emulator."""
    return workspace_path


@pytest.fixture
def assert_azure_error() -> Callable[..., None]:
    """Checks a reply against the shape of Azure's errors."""

    def check(reply: httpx.Response, status: int, code: str, *words: str) -> None:
        assert reply.status_code == status, reply.text
        body = reply.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message", "details", "additionalInfo"} | (
            {"target"} & set(body["error"])
        )
        assert body["error"]["code"] == code
        assert all(word in body["error"]["message"] for word in words), body["error"]["message"]

    return check


@pytest.fixture
def exchanges(record_file: Path) -> Callable[[], list[dict[str, Any]]]:
    """What the worker's emulator has recorded so far."""
    return lambda: [json.loads(line) for line in record_file.read_text().splitlines()]


def load_module(file: Path) -> Any:
    """A module by its file; pytest imports tests by path, so it cannot be imported by name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def raw_client(running: RunningEmulator) -> httpx.Client:
    context = running.trust()
    headers = {"Authorization": f"Bearer {running.token()}"}
    limits: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE_SECONDS}
    return httpx.Client(base_url=running.base_url, verify=context, headers=headers, **limits)


def workspace_path(running: RunningEmulator, name: str | None = None) -> str:
    settings = running.settings
    scope = ARM.format(subscription=settings.subscription, group=settings.resource_group)
    return f"{scope}/workspaces/{name or settings.workspace}"
