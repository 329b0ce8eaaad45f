"""A project of its own in a workspace of its own, with tiny models that misbehave when told to, and callers."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from onnx import TensorProto, helper, numpy_helper

from azureml_emulator.testing import RunningEmulator
from mlops.package import package_digest
from mlops.project import Project, StageName, load_project
from mlops.rollout.deploy import DeployResult, deploy
from mlops.rollout.observe import observe
from mlops.rollout.view import View
from mlops.workspace import connect, connect_registry

from .callers import Callers, calling

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from forked_command import command  # noqa: E402 - the fork server finds it by this name only

ROOT = HERE.parents[2]
MODEL = "tiny"
THRESHOLD = 0.5
PATIENCE_SECONDS = 60.0
# Fault modes by model version are read from a file before each answer, so that a test can break what runs.
SCORE = """\
import json
import os
import time
from pathlib import Path

import real_score
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

faults = Path(os.environ["FAULTS"])


def fault():
    return json.loads(faults.read_text()).get(os.environ["MODEL_VERSION"], {})


def init():
    if fault().get("mode") == "refuse":
        raise RuntimeError("no model here")
    real_score.init()


@rawhttp
def run(request):
    found = fault()
    if found.get("mode") == "error":
        return AMLResponse("broken on purpose", 500)
    if found.get("mode") == "slow":
        time.sleep(found["seconds"])
    return real_score.run(request)
"""
ROLLOUT: dict[str, Any] = {
    "mirror_percentage": 20,
    "traffic_steps": [10, 50, 100],
    "soak_seconds": 0.5,
    "patience_seconds": 30.0,
    "load": {"requests_per_second": 60, "seconds": 0.5},
}
SLO = {"p95_milliseconds": 400.0, "p99_milliseconds": 900.0, "error_rate": 0.01}


@dataclass
class World:
    """One stage of a project: its folder, its endpoint, and the registered versions of the tiny model."""

    emulator: RunningEmulator
    folder: Path
    stage: StageName = "staging"
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What commands in processes of their own said."""
        return self.folder / "commands.log"

    @property
    def project(self) -> Project:
        """Its settings, read anew."""
        return load_project(self.folder)

    @property
    def endpoint(self) -> str:
        """The stage's endpoint."""
        return self.project.settings.stage(self.stage).endpoint

    def connect(self) -> MLClient:
        """A client of the stage's workspace."""
        return connect(self.project.settings.stage(self.stage))

    def view(self) -> View:
        """The endpoint now."""
        return observe(self.client, self.endpoint)

    def __post_init__(self) -> None:
        self.client = self.connect()

    def register(self, version: str) -> str:
        """Put a version of the model, with other weights than the others, into the registry; its digest."""
        package = self.folder / "packages" / version
        write_package(package, bias=-1.0 - 0.1 * int(version))
        self.digests[version] = package_digest(package)
        model = Model(name=MODEL, version=version, type="custom_model", path=str(package))
        connect_registry(self.project.settings.registry).models.create_or_update(model)
        return self.digests[version]

    def release(self, version: str, digest: str | None = None, **rollout: Any) -> None:
        """Write the stage's manifest."""
        source = {
            "stage": "dev",
            "job": "polite_fox_1",
            "git_commit": "unknown",
            "data": {"name": "late", "version": "1", "sha256": "unknown"},
        }
        model = {"name": MODEL, "version": version, "digest": digest or self.digests[version]}
        manifest = {"rollout": ROLLOUT | rollout, "slo": SLO, "release": {"model": model, "source": source}}
        (self.folder / "releases").mkdir(exist_ok=True)
        (self.folder / "releases" / f"{self.stage}.yml").write_text(yaml.safe_dump(manifest))

    def settle(self, version: str) -> None:
        """See to it that a version is live, alone and healthy, as fast as a rollout can be."""
        self.fault()
        self.release(version, mirror_percentage=0, traffic_steps=[100], soak_seconds=0.0)
        self.deploy()
        assert self.live_version() == version

    def fault(self, **modes: dict[str, Any]) -> None:
        """Say how versions misbehave from now on: `v2={"mode": "error"}`; nothing heals all."""
        file = self.folder / "faults.json"
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps({name.removeprefix("v"): mode for name, mode in modes.items()}))
        draft.replace(file)

    def deploy(self, **options: Any) -> DeployResult:
        """Roll out in this process."""
        return deploy(self.client, self.project, self.stage, **options)

    def server_of(self, deployment: str) -> int:
        """The process that serves a deployment."""
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        headers = {"Authorization": f"Bearer {self.emulator.token()}"}
        request = urllib.request.Request(f"{self.emulator.base_url}/_emulator/metrics", headers=headers)  # noqa: S310 - our own emulator
        with urllib.request.urlopen(request, context=context) as reply:  # noqa: S310 - our own emulator
            servers = json.load(reply)
        wanted = f"/onlineendpoints/{self.endpoint}/deployments/{deployment}".lower()
        return next(server["pid"] for key, server in servers.items() if key.lower().endswith(wanted))

    def begin(self) -> ForkServerProcess:
        """Roll out in a process of its own."""
        context = multiprocessing.get_context("forkserver")
        arguments = ["deploy", "--stage", self.stage]
        process = context.Process(target=command, args=(arguments, self.folder, dict(os.environ), self.log))
        process.start()
        return process

    def wait_for(self, condition: Callable[[View], bool], seconds: float = PATIENCE_SECONDS) -> View:
        """Look until the endpoint is as wanted."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            view = self.view()
            if condition(view):
                return view
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {self.view()}")

    def live_version(self) -> str:
        """The version that has all traffic; fails when traffic is split or mirrored."""
        view = self.view()
        assert view.live
        assert {name: share for name, share in view.traffic.items() if share} == {view.live: 100}, view.traffic
        assert not any(view.mirror.values())
        assert view.going_on is None, view.tags
        return view.deployments[view.live].model_version

    @contextmanager
    def callers(self, per_second: int = 200) -> Generator[Callers]:
        """Callers of the endpoint, who count, in a process of their own."""
        keys = self.client.online_endpoints.get_keys(self.endpoint)
        file = self.folder / f"answers-{time.monotonic_ns()}.txt"
        with calling(self.view().scoring_uri, keys.primary_key, golden_request(), per_second, file) as called:
            yield called


def golden_request() -> bytes:
    """A request that every version answers."""
    return json.dumps({"input_data": [{"age": 30.0, "income": 1.5}]}).encode()


def write_package(folder: Path, bias: float) -> None:
    """A model package: a logistic regression of two features."""
    folder.mkdir(parents=True)
    weights = np.array([[0.02], [-0.5]], dtype=np.float32)
    constants = {"weights": weights, "bias": np.array([bias], dtype=np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "bias"], ["score"]),
            helper.make_node("Sigmoid", ["score"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    shape = {"type": "number", "minimum": 0, "maximum": None, "categories": None, "description": ""}
    schema = {
        "format": 1,
        "id": "id",
        "target": "late",
        "features": [{"name": "age", **shape}, {"name": "income", **shape}],
        "decision": {"threshold": THRESHOLD, "chosen_by": "hand"},
    }
    (folder / "schema.json").write_text(json.dumps(schema))
    rows = [(20.0, 1.0), (60.0, 0.2), (41.0, 3.0)]
    cases = []
    for age, income in rows:
        log_odds = np.array([age, income], dtype=np.float32) @ weights + np.float32(bias)
        probability = float(1 / (1 + np.exp(-log_odds[0])))
        case = {"request": {"input_data": [{"age": age, "income": income}]}, "probability": [probability]}
        cases.append(case | {"decision": [int(probability >= THRESHOLD)]})
    (folder / "golden.json").write_text(json.dumps({"tolerance": 1e-5, "cases": cases}))


def make_project(folder: Path, name: str) -> None:
    """A project whose stages are named after it, with the real endpoint's files and a script that can fail."""
    folder.mkdir(parents=True)
    settings = yaml.safe_load((ROOT / "project.yml").read_text())
    settings |= {"model": MODEL, "registry": f"registry-{name}"}
    for stage, place in settings["stages"].items():
        place |= {"workspace": f"mlw-{name}-{stage}", "endpoint": f"{name}-{stage}"}
    (folder / "project.yml").write_text(yaml.safe_dump(settings))
    for part in ("endpoints", "environments"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    online = folder / "endpoints" / "online"
    (online / "score.py").rename(online / "real_score.py")
    (online / "score.py").write_text(SCORE)
    file = online / "deployment.yml"
    deployment = yaml.safe_load(file.read_text())
    deployment["environment_variables"] |= {"WORKER_COUNT": "1", "FAULTS": str(folder / "faults.json")}
    deployment["request_settings"]["max_concurrent_requests_per_instance"] = 100
    file.write_text(yaml.safe_dump(deployment))
    (folder / "faults.json").write_text("{}")
