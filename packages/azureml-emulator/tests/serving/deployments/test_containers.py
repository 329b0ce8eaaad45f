"""Custom containers as processes: what they see, how they are asked, and their bad days."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import socket
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.testing import RunningEmulator, running_emulator, wait_for

pytestmark = [
    pytest.mark.xdist_group("serving"),
    pytest.mark.skipif(not has_private_networks(), reason="this machine cannot make networks: containers are off"),
]
VERSION = {"api-version": "2023-04-01"}

MAIN = """\
import json, os, signal, sys, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        self.answer(200 if self.path in ("/live", "/ready?x=1") else 404, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = json.loads(body)
        if asked.get("die"):
            os._exit(9)
        seen = {"path": self.path, "cwd": os.getcwd(), "arguments": sys.argv[1:], "text": open("text.txt").read()}
        seen["connection"] = self.client_address[1]
        seen["model"] = sorted(os.listdir(os.environ["AZUREML_MODEL_DIR"])) if "AZUREML_MODEL_DIR" in os.environ else []
        if "url" in asked:
            try:
                seen["fetched"] = urllib.request.urlopen(asked["url"], timeout=60).status
            except OSError as error:
                seen["fetched"] = str(error)
        seen["variables"] = {name: os.environ.get(name) for name in asked.get("variables", [])}
        self.answer(asked.get("status", 200), json.dumps(seen).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if "IGNORES_SIGTERM" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "LEAVES_A_CHILD" in os.environ and os.fork() == 0:
    open(os.environ["LEAVES_A_CHILD"], "w").write(str(os.getpid()))
    time.sleep(600)
if "ENDS" in os.environ:
    sys.exit("the model cannot be read")
ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = """\
FROM python:3.11-slim
ENV PORT=5001 TOKEN=${TOKEN:-none}
WORKDIR /app
RUN pip install numpy
COPY main.py text.txt ./
CMD ["python", "/app/main.py", "--models=/srv/models"]
"""
ROUTES = {
    "livenessRoute": {"port": 5001, "path": "/live"},
    "readinessRoute": {"port": 5001, "path": "/ready?x=1"},
    "scoringRoute": {"port": 5001, "path": "/v1/predict"},
}


class Containers:
    """Deploys custom containers on one endpoint."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def environment(self, properties: dict[str, Any]) -> str:
        """Register an environment; its id."""
        path = f"{self.service.workspace}/environments/{uuid.uuid4()}/versions/1"
        reply = self.service.client.put(path, params=VERSION, json={"properties": properties})
        return reply.raise_for_status().json()["id"]

    def uploaded(self, files: dict[str, str]) -> str:
        """Upload files to storage; their address."""
        code = self.service.upload(files)
        uri = self.service.client.get(code, params=VERSION).json()["properties"]["codeUri"]
        return uri.replace("?.blob.core.windows.net", "")

    def built(self, dockerfile: str = DOCKERFILE, **changes: Any) -> dict[str, Any]:
        """An environment with a build context."""
        uri = self.uploaded({"Dockerfile": dockerfile, "main.py": MAIN, "text.txt": "hello"})
        return {
            "build": {"contextUri": f"{uri}/", "dockerfilePath": "Dockerfile"},
            "inferenceConfig": ROUTES,
            **changes,
        }

    def model(self) -> str:
        """Register a model with one file."""
        uri = self.uploaded({"weights.bin": "1"})
        path = f"{self.service.workspace}/models/m-{uuid.uuid4().hex[:6]}/versions/3"
        body = {"properties": {"modelUri": uri, "modelType": "custom_model"}}
        return self.service.client.put(path, params=VERSION, json=body).raise_for_status().json()["id"]

    def begin(self, name: str, environment: dict[str, Any] | None = None, **given: Any) -> Any:
        """PUT a deployment of an environment."""
        chosen = self.environment(environment or self.built())
        return self.service.begin(name, codeConfiguration=None, environmentId=chosen, **given)

    def failed(self, name: str, environment: dict[str, Any] | None = None, **given: Any) -> str:
        """The message with which a deployment fails, or is refused."""
        reply = self.begin(name, environment, **given)
        error = self.service.failure(reply) if reply.status_code == 201 else reply.json()["error"]
        return error["message"]

    def serve(self, name: str, environment: dict[str, Any] | None = None, **given: Any) -> None:
        """Deploy, and wait until it serves."""
        reply = self.begin(name, environment, **given)
        assert reply.status_code == 201, reply.text
        assert self.service.settled(name) == "Succeeded", self.service.logs(name)


@pytest.fixture
def containers(service: Any) -> Containers:
    """Custom containers on an endpoint of their own."""
    return Containers(service)


def test_a_container_answers_as_its_dockerfile_and_environment_say(containers: Containers) -> None:
    service = containers.service
    containers.serve("blue", model=containers.model(), modelMountPath="/srv/models", TOKEN="mine", HERE="/srv/models/x")
    containers.serve("green")
    service.traffic({"blue": 100})

    seen = service.score({"variables": ["TOKEN", "HERE", "PORT"]}).json()

    assert service.uri.endswith("/v1/predict")
    assert seen["path"] == "/v1/predict"
    assert seen["text"] == "hello"
    assert len(seen["model"]) == 1
    assert seen["variables"]["TOKEN"] == "mine"
    assert seen["variables"]["PORT"] == "5001"
    models = seen["arguments"][0].removeprefix("--models=")
    assert seen["variables"]["HERE"] == f"{models}/x"
    assert Path(models).is_dir()
    # A probe may have needed one more at the same time.
    assert len({service.score({}, to="blue").json()["connection"] for _ in range(10)}) <= 2
    # Both listen on the same port, each in a network of its own, and answer in turn.
    assert service.score({}, to="green").json()["model"] == []
    assert service.score({"status": 418}).headers["ms-azureml-model-error-statuscode"] == "418"
    log = service.logs("blue")
    assert "line 1: FROM python:3.11-slim: not pulled" in log
    assert "line 4: RUN pip install numpy: not run" in log


def test_nobody_else_on_the_machine_reaches_a_container_and_it_reaches_only_the_emulator(
    containers: Containers,
) -> None:
    service = containers.service
    containers.serve("blue")
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", 5001), timeout=5):
        pass
    if os.geteuid() == 0:
        probe = "import socket; socket.create_connection(('127.0.0.1', 5001), 5)"
        python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        nobody = pwd.getpwnam("nobody").pw_uid
        assert subprocess.run([python, "-c", probe], user=nobody, capture_output=True, check=False).returncode != 0

    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"http://127.0.0.1:{other.getsockname()[1]}"
        assert "refused" in service.score({"url": address}, to="blue").json()["fetched"]
    emulator = f"{service.emulator.base_url}/metadata/endpoints?api-version=2020-09-01"
    assert service.score({"url": emulator}, to="blue").json()["fetched"] == 200


def test_a_container_with_code_gets_it_where_azure_mounts_it(containers: Containers) -> None:
    dockerfile = (
        "FROM a\nENV PORT=5001\nWORKDIR /app\nCOPY text.txt .\nCMD exec python $AML_APP_ROOT/$AZUREML_ENTRY_SCRIPT\n"
    )
    service = containers.service
    code = service.upload({"serve.py": MAIN})
    chosen = containers.environment(containers.built(dockerfile))
    reply = service.begin("blue", codeConfiguration={"codeId": code, "scoringScript": "serve.py"}, environmentId=chosen)
    assert reply.status_code == 201
    assert service.settled("blue") == "Succeeded", service.logs("blue")

    assert service.score({}, to="blue").json()["text"] == "hello"


def test_an_image_that_adds_packages_to_the_inference_server_is_the_inference_server(containers: Containers) -> None:
    environment = containers.built(
        "FROM mcr.microsoft.com/azureml/minimal-ubuntu20.04-py39-cpu-inference:latest\nRUN x"
    )
    service = containers.service
    reply = service.begin("blue", environmentId=containers.environment(environment))
    assert reply.status_code == 201, reply.text
    assert service.settled("blue") == "Succeeded", service.logs("blue")

    assert service.score({}, to="blue").json()["text"] == "blue"


@pytest.mark.parametrize(
    ("given", "variables", "message"),
    {
        "ends": ({}, {"ENDS": 1}, r"exited with code 1 before it was ready(.|\n)*the model cannot be read"),
        "other port": ({}, {"PORT": 8080}, "inference_config names port 5001, and it listens on 8080"),
        "not a path of it": (
            {"readinessRoute": {"port": 5001, "path": "/other"}},
            {},
            "limit of its liveness probe; its readiness route /other on port 5001 answered 404",
        ),
        "unknown program": (
            'FROM a\nCMD ["no-such-server"]',
            {},
            "'no-such-server' is not on this machine.*install it",
        ),
        "unknown to a shell": (
            "FROM a\nCMD no-such-server --port 1",
            {},
            "A program .* not on this machine.*install it",
        ),
        "not a program": ('FROM a\nWORKDIR /app\nCOPY main.py .\nCMD ["/app/main.py"]', {}, "cannot be started"),
        "not supported": ("FROM a\nONBUILD RUN x\nCMD x", {}, "Line 2 .*ONBUILD RUN x"),
        "a file that is missing": ("FROM a\nCOPY app.py /\nCMD x", {}, "'app.py', which is not in the build context"),
    }.values(),
)
def test_a_container_that_cannot_serve_says_why(
    containers: Containers, given: Any, variables: dict[str, Any], message: str
) -> None:
    environment = containers.built(given) if isinstance(given, str) else containers.built()
    if isinstance(given, dict):
        environment["inferenceConfig"] = {**ROUTES, **given}
    # A program that is to listen, on whichever port, needs the time in which a busy machine starts it.
    probe = {"initialDelay": "PT0S", "period": "PT1S", "failureThreshold": 4 if "PORT" in variables else 1}
    patient = {} if variables.get("ENDS") or isinstance(given, str) else {"livenessProbe": probe}

    found = containers.failed("blue", environment, **patient, **variables)

    assert re.search(message, found), found


def test_what_no_environment_explains_is_refused_with_what_to_configure(containers: Containers) -> None:
    image = "registry.example/app:1"
    assert f"--image '{image}=DOCKERFILE'" in containers.failed("blue", {"image": image, "inferenceConfig": ROUTES})
    assert "no inference_config" in containers.failed("blue", {"image": image})
    microsoft = {"image": "mcr.microsoft.com/azureml/mlflow-x-inference:1", "inferenceConfig": ROUTES}
    assert "or a model of type mlflow_model" in containers.failed("blue", microsoft, model=containers.model())
    routes = {**ROUTES, "scoringRoute": {"port": 0, "path": "/x"}}
    assert "inferenceConfig.scoringRoute.port" in containers.failed("blue", containers.built(inferenceConfig=routes))
    outside = {**containers.built(), "build": {**containers.built()["build"], "dockerfilePath": "../Dockerfile"}}
    assert "must be inside the build context" in containers.failed("blue", outside)
    collector = {"collections": {"model_inputs": {"dataCollectionMode": "Enabled"}}}
    assert "does not document" in containers.failed("blue", dataCollector=collector)


def test_a_container_that_ends_under_load_starts_again_and_no_caller_waits_in_vain(containers: Containers) -> None:
    service = containers.service
    containers.serve("blue")
    service.traffic({"blue": 100})

    async def end_it() -> Counter[int]:
        async with service.steady_load() as statuses:
            await service.answered(statuses)
            lost = await asyncio.to_thread(service.score, {"die": True})
            assert lost.status_code == 502, lost.text
            await service.answered(statuses)
        return statuses

    statuses = asyncio.run(end_it())

    assert statuses.keys() <= {200, 502, 503}
    assert service.counts("blue")["restarts"] >= 1


def test_a_container_that_ignores_sigterm_ends_with_all_that_it_started(containers: Containers, tmp_path: Path) -> None:
    service = containers.service
    child = tmp_path / "child"
    containers.serve("blue", IGNORES_SIGTERM=1, LEAVES_A_CHILD=child)
    pid = int(child.read_text())

    assert service.delete("blue").status_code == 202
    wait_for(lambda: "error" in service.deployment("blue"))
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


@pytest.mark.long
def test_an_image_by_its_dockerfile_and_the_restart_of_the_emulator(tmp_path: Path, service_of: Any) -> None:
    context = tmp_path / "image"
    context.mkdir()
    for name, text in {"Dockerfile": DOCKERFILE, "main.py": MAIN, "text.txt": "from the image"}.items():
        (context / name).write_text(text)
    images = {"registry.example/app:1": context / "Dockerfile"}
    with running_emulator(tmp_path / "state", background_start="lazy", images=images) as emulator:
        service: Any = service_of(emulator)
        Containers(service).serve("blue", {"image": "registry.example/app:1", "inferenceConfig": ROUTES})
        assert service.score({}, to="blue").json()["text"] == "from the image"
        _restart(emulator, context)
        with service._client() as service.client:
            wait_for(lambda: service.score({}, to="blue").status_code == 200)
            assert service.score({}, to="blue").json()["text"] == "from the image"


def _restart(emulator: RunningEmulator, context: Path) -> None:
    """Kill and start again: the deployment runs from its own copy of the files."""
    (context / "text.txt").write_text("changed later")
    emulator.kill()
    emulator.restart()


def test_the_sdk_deploys_a_folder_with_a_dockerfile(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import BuildContext, Environment, ManagedOnlineDeployment, ManagedOnlineEndpoint

    (tmp_path / "image").mkdir()
    for file, text in {"Dockerfile": DOCKERFILE, "main.py": MAIN, "text.txt": "by the SDK"}.items():
        (tmp_path / "image" / file).write_text(text)
    name = f"byoc-{uuid.uuid4().hex[:8]}"
    ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, auth_mode="key")).result()
    routes = {
        f"{kind}_route": {"port": 5001, "path": path}
        for kind, path in (("liveness", "/live"), ("readiness", "/ready?x=1"), ("scoring", "/own"))
    }
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=name,
        environment=Environment(build=BuildContext(path=str(tmp_path / "image")), inference_config=routes),
        environment_variables={"WORKERS": "2"},
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    ml_client.online_deployments.begin_create_or_update(deployment).result()
    request = tmp_path / "request.json"
    request.write_text('{"variables": ["WORKERS"]}')

    answer = ml_client.online_endpoints.invoke(name, request_file=str(request), deployment_name="blue")

    assert "by the SDK" in answer
    assert '"WORKERS": "2"' in answer
    assert ml_client.online_endpoints.get(name).scoring_uri.endswith("/own")
