"""Jobs without the SDK, on any emulator: code, components and jobs by raw requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

TERMINAL = {"Completed", "Failed", "Canceled"}
_ASSETS = {"api-version": "2023-04-01"}
_JOBS = {"api-version": "2024-01-01-preview"}


@dataclass(frozen=True)
class Submitter:
    """Submits jobs to one emulator and follows them."""

    http: httpx.Client
    workspace: str

    def code(self, folder: Path) -> str:
        """Upload a code snapshot; its id."""
        version = f"{self.workspace}/codes/{uuid.uuid4()}/versions/1"
        reply = self.http.post(f"{version}/startPendingUpload", params=_ASSETS, json={})
        place = reply.json()["blobReferenceForConsumption"]
        address, _, signature = place["credential"]["sasUri"].partition("?")
        for file in folder.rglob("*.*"):
            url = f"{address}/src/{file.relative_to(folder).as_posix()}?{signature}"
            self.http.put(url, content=file.read_bytes(), headers={"x-ms-blob-type": "BlockBlob"}).raise_for_status()
        body = {"properties": {"codeUri": f"{place['blobUri']}/src", "isAnonymous": True}}
        self.http.put(version, params=_ASSETS, json=body).raise_for_status()
        return version

    def component(self, command: str, **specification: Any) -> str:
        """Register an anonymous command component; its id."""
        identifier = f"{self.workspace}/components/azureml_anonymous/versions/{uuid.uuid4()}"
        body = {"properties": {"componentSpec": {"type": "command", "command": command, **specification}}}
        self.http.put(identifier, params=_ASSETS, json=body).raise_for_status()
        return identifier

    def pipeline(self, jobs: dict[str, Any], **properties: Any) -> str:
        """Submit a pipeline; its name."""
        return self.submit({"jobType": "Pipeline", "experimentName": "tests", "jobs": jobs, **properties})

    def command(self, command: str, **properties: Any) -> str:
        """Submit a single command job; its name."""
        given = {"experimentName": "tests", "command": command, "environmentId": self.environment(), **properties}
        return self.submit({"jobType": "Command", **given})

    def environment(self) -> str:
        """The id of an environment, always the same one."""
        identifier = f"{self.workspace}/environments/base/versions/1"
        body = {"properties": {"image": "busybox"}}
        self.http.put(identifier, params=_ASSETS, json=body).raise_for_status()
        return identifier

    def submit(self, properties: dict[str, Any]) -> str:
        """Submit any job; its name."""
        name = f"job-{uuid.uuid4()}"
        reply = self.put(name, properties)
        assert reply.status_code == 201, reply.text
        return name

    def put(self, name: str, properties: dict[str, Any]) -> httpx.Response:
        """The raw reply to a submission."""
        return self.http.put(f"{self.workspace}/jobs/{name}", params=_JOBS, json={"properties": properties})

    def details(self, name: str) -> dict[str, Any]:
        """The run history of a job or a step."""
        reply = self.http.get(f"/history/v1.0{self.workspace}/runs/{name}/details")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def steps(self, name: str) -> dict[str, dict[str, Any]]:
        """The steps of a pipeline by their display names."""
        reply = self.http.get(f"/history/v1.0{self.workspace}/runs/{name}/children")
        return {child["displayName"]: child for child in reply.json()["value"]}

    def log(self, name: str) -> str:
        """The log of a step or of a pipeline, fetched as the SDK does: without a token."""
        (url,) = self.details(name)["logFiles"].values()
        return self.http.get(url, headers={"Authorization": ""}).text

    def wait(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of these states, by default a terminal one; its details then."""
        wanted = set(states) or TERMINAL

        def reached() -> dict[str, Any] | None:
            details = self.details(name)
            assert details["status"] in wanted or details["status"] not in TERMINAL, details
            return details if details["status"] in wanted else None

        return wait_for(reached)

    def process(self, name: str) -> int:
        """The process id that a job prints as `pid NUMBER`."""

        def printed() -> int | None:
            log = self.log(name) if self.details(name)["logFiles"] else ""
            return int(log.rpartition("pid ")[2]) if "\npid " in log and log.endswith("\n") else None

        return wait_for(printed)

    def cancel(self, name: str) -> httpx.Response:
        """Cancel a job."""
        return self.http.post(f"{self.workspace}/jobs/{name}/cancel", params=_JOBS)


@pytest.fixture
def submitter(http: httpx.Client, workspace: str) -> Submitter:
    return Submitter(http, workspace)


@pytest.fixture(scope="session")
def submitter_of(
    client_of: Callable[[RunningEmulator], httpx.Client], workspace_of: Callable[..., str]
) -> Callable[[RunningEmulator], Submitter]:
    return lambda running: Submitter(client_of(running), workspace_of(running))


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a code folder: names of modules to their text."""

    def write(**files: str) -> Path:
        folder = tmp_path_factory.mktemp("code")
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return folder

    return write


@pytest.fixture
def found_runs(http: httpx.Client) -> Callable[[str, str], list[dict[str, Any]]]:
    """The runs of an experiment for a filter, as MLflow's own address answers."""

    def find(experiment: str, query: str) -> list[dict[str, Any]]:
        api = f"{http.get('/_emulator/summary').json()['mlflow']}/api/2.0/mlflow"
        named = http.get(f"{api}/experiments/get-by-name", params={"experiment_name": experiment}).json()
        body = {"experiment_ids": [named["experiment"]["experiment_id"]], "filter": query}
        return http.post(f"{api}/runs/search", json=body).json()["runs"]

    return find
