"""Deploys small scoring scripts by the REST API, on any emulator."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.testing import PATIENCE_SECONDS, RunningEmulator, wait_for

POLL_SECONDS = 0.02
VERSIONS = {"endpoint": "2022-02-01-preview", "asset": "2023-04-01"}
# One script for all tests: a request's body says what run() does, environment variables say what init() does.
SCRIPT = """\
import itertools
import json
import os
import pathlib
import signal
import time

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

TEXT = os.environ.get("TEXT", "")
REQUESTS = itertools.count()


def wait_for(file):
    pathlib.Path(file + ".waiting").touch()
    while not os.path.exists(file):
        time.sleep(0.01)


def init():
    if os.environ.get("AT_INIT") == "raise":
        raise ValueError("the model cannot be read")
    if os.environ.get("AT_INIT") == "end":
        os.kill(os.getppid(), signal.SIGKILL)
        # It ends a moment later; until then this process must not become ready.
        signal.pause()
    if "CRASH_FROM_START" in os.environ:
        with open("starts", "a+") as starts:
            starts.write("x")
            starts.seek(0)
            if len(starts.read()) >= int(os.environ["CRASH_FROM_START"]):
                raise ValueError("this start fails")
    if "INIT_WAITS_FOR" in os.environ:
        wait_for(os.environ["INIT_WAITS_FOR"])
    print("initialised", TEXT)


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    body = request.get_data(cache=False)
    try:
        asked = json.loads(body)
    except ValueError:
        return AMLResponse({"no json": len(body)}, 400, json_str=True)
    time.sleep(float(asked.get("seconds", 0)))
    if "wait_for" in asked:
        wait_for(asked["wait_for"])
    if asked.get("raise"):
        raise RuntimeError("this request fails")
    if asked.get("die"):
        os._exit(9)
    answer = {"text": TEXT, "bytes": len(body), "headers": dict(request.headers), "pid": os.getpid()}
    answer["requests before"] = next(REQUESTS)
    # The number of a socket is that of its connection, and of no other one.
    answer["connection"] = os.fstat(request.environ["gunicorn.socket"].fileno()).st_ino
    return AMLResponse(answer, asked.get("status", 200), {"x-from-model": "yes"}, json_str=True)
"""


class Service:
    """One endpoint of one emulator."""

    def __init__(self, emulator: RunningEmulator, workspace: str) -> None:
        self.emulator = emulator
        self.client = self._client()
        self.workspace = workspace
        self.name = f"ep-{uuid.uuid4().hex[:10]}"
        self.path = f"{workspace}/onlineEndpoints/{self.name}"
        self.code = ""

    def _client(self) -> httpx.Client:
        verify = self.emulator.trust()
        headers = {"Authorization": f"Bearer {self.emulator.token()}"}
        url = self.emulator.base_url
        return httpx.Client(base_url=url, verify=verify, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS)

    def create(self, mode: str = "Key") -> Service:
        """Create the endpoint, and register the script."""
        self.code = self.upload({"score.py": SCRIPT})
        assert self.put({}, mode=mode).status_code == 201
        return self

    def put(self, traffic: dict[str, Any], mirror: dict[str, Any] | None = None, mode: str = "Key") -> httpx.Response:
        """PUT the endpoint with this traffic."""
        properties = {"authMode": mode, "traffic": traffic, "mirrorTraffic": mirror or {}}
        return self.client.put(
            self.path, params=_version("endpoint"), json={"location": "eastus", "properties": properties}
        )

    def traffic(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
        """PUT the endpoint with this traffic, which must be accepted."""
        reply = self.put(traffic, mirror)
        assert reply.status_code == 200, reply.text

    def begin(self, name: str, *, script: str = "score.py", code: str | None = None, **given: Any) -> httpx.Response:
        """PUT a deployment. Keywords in capitals are environment variables, others are properties."""
        variables = {key: str(value) for key, value in given.items() if key.isupper()}
        properties = {key: value for key, value in given.items() if not key.isupper()}
        settings = {"maxConcurrentRequestsPerInstance": 32, "requestTimeout": "PT180S"}
        body = {
            "endpointComputeType": "Managed",
            "codeConfiguration": {"codeId": code or self.code, "scoringScript": script},
            "environmentVariables": {"TEXT": name, **variables},
            "requestSettings": settings,
            **properties,
        }
        document = {"location": "eastus", "sku": {"name": "Default", "capacity": 1}, "properties": body}
        return self.client.put(f"{self.path}/deployments/{name}", params=_version("endpoint"), json=document)

    def deploy(self, name: str, **given: Any) -> None:
        """PUT a deployment and wait until it serves."""
        reply = self.begin(name, **given)
        assert reply.status_code in {200, 201}, reply.text
        assert self.settled(name) == "Succeeded", self.logs(name)

    def settled(self, name: str) -> str:
        """The state in which the operation on a deployment ended."""
        return wait_for(lambda: _ended(self.deployment(name)["properties"]["provisioningState"]))

    def failure(self, reply: httpx.Response) -> dict[str, Any]:
        """The error with which an operation ended."""
        url = reply.headers["Azure-AsyncOperation"]
        ended = wait_for(lambda: poll if (poll := self.client.get(url).json())["status"] != "InProgress" else None)
        assert ended["status"] == "Failed"
        return ended["error"]

    def deployment(self, name: str) -> dict[str, Any]:
        """GET a deployment."""
        return self.client.get(f"{self.path}/deployments/{name}", params=_version("endpoint")).json()

    def delete(self, name: str) -> httpx.Response:
        """DELETE a deployment."""
        return self.client.delete(f"{self.path}/deployments/{name}", params=_version("endpoint"))

    def logs(self, name: str) -> str:
        """A deployment's log."""
        url = f"{self.path}/deployments/{name}/getLogs"
        return self.client.post(url, params=_version("endpoint"), json={"tail": 100}).json()["content"]

    def action(self, name: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """POST an action of the endpoint."""
        return self.client.post(f"{self.path}/{name}", params=_version("endpoint"), json=body or {})

    @property
    def key(self) -> str:
        """The primary key."""
        return self.action("listKeys").json()["primaryKey"]

    @property
    def uri(self) -> str:
        """The scoring address."""
        return self.client.get(self.path, params=_version("endpoint")).json()["properties"]["scoringUri"]

    def counts(self, name: str) -> dict[str, Any]:
        """What the emulator counted for a deployment."""
        return self.client.get("/_emulator/metrics").json()[f"{self.path}/deployments/{name}".lower()]

    def score(
        self,
        body: Any = None,
        *,
        key: str | None = None,
        to: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One scoring request."""
        headers = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        if to is not None:
            headers["azureml-model-deployment"] = to
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return self.client.post(self.uri, headers=headers, content=content)

    def upload(self, files: dict[str, str]) -> str:
        """Register files as code; the id of the code version."""
        path = f"{self.workspace}/codes/{uuid.uuid4()}/versions/1"
        started = self.client.post(
            f"{path}/startPendingUpload",
            params=_version("asset"),
            json={"pendingUploadType": "TemporaryBlobReference"},
        ).json()["blobReferenceForConsumption"]
        address, _, signature = started["credential"]["sasUri"].partition("?")
        for name, text in files.items():
            headers = {"x-ms-blob-type": "BlockBlob"}
            self.client.put(f"{address}/{name}?{signature}", content=text, headers=headers).raise_for_status()
        body = {"properties": {"codeUri": started["blobUri"]}}
        return self.client.put(path, params=_version("asset"), json=body).raise_for_status().json()["id"]

    @asynccontextmanager
    async def steady_load(self, pause: float = 0.01, callers: int = 4) -> AsyncGenerator[Counter[int]]:
        """Score continuously while the block runs; counts the statuses, 0 for a broken connection."""
        statuses: Counter[int] = Counter()
        over = asyncio.Event()
        headers = {"Authorization": f"Bearer {self.key}"}
        verify = self.emulator.trust()
        uri = self.uri

        async def call(client: httpx.AsyncClient) -> None:
            while not over.is_set():
                try:
                    statuses[(await client.post(uri, headers=headers, json={})).status_code] += 1
                except httpx.TransportError:
                    statuses[0] += 1
                await asyncio.sleep(pause)

        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            tasks = [asyncio.create_task(call(client)) for _ in range(callers)]
            try:
                yield statuses
            finally:
                over.set()
                await asyncio.gather(*tasks)

    async def answered(self, statuses: Counter[int], count: int = 20) -> None:
        """Wait until so many more requests of a steady load were answered with 200."""
        goal = statuses[200] + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while statuses[200] < goal:  # noqa: ASYNC110 - the load sets no event
                await asyncio.sleep(POLL_SECONDS)


@contextmanager
def service_on(emulator: RunningEmulator) -> Generator[Service]:
    """A new endpoint of an emulator's workspace."""
    settings = emulator.settings
    workspace = (
        f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
    )
    service = Service(emulator, workspace)
    with service.client:
        yield service.create()


@pytest.fixture(scope="module")
def serve(emulator: RunningEmulator) -> Generator[Service]:
    """An endpoint for the tests of one module, with two healthy deployments, blue and green."""
    with service_on(emulator) as service:
        for reply in (service.begin("blue"), service.begin("green")):
            assert reply.status_code == 201, reply.text
        assert {service.settled(name) for name in ("blue", "green")} == {"Succeeded"}
        yield service


@pytest.fixture
def service(emulator: RunningEmulator) -> Generator[Service]:
    """An endpoint for one test, without deployments."""
    with service_on(emulator) as service:
        yield service


@pytest.fixture
def service_of() -> Generator[Callable[[RunningEmulator], Service]]:
    """Creates an endpoint on any emulator."""
    with ExitStack() as services:
        yield lambda emulator: services.enter_context(service_on(emulator))


@pytest.fixture
def folder_with_code(tmp_path: Path) -> Path:
    """The script in a folder, for the SDK."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT)
    return tmp_path / "code"


def _version(kind: str) -> dict[str, str]:
    return {"api-version": VERSIONS[kind]}


def _ended(state: str) -> str | None:
    return None if state in {"Creating", "Updating", "Deleting"} else state
