"""For the scoring tests: a tiny real model package (three features, a logistic regression), and real servers."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_package.package import package_digest

ENDPOINTS = Path(__file__).parents[2] / "endpoints"
ONLINE = ENDPOINTS / "online"
# At the end: these tests import the installed model_package, whose bytes are those of the copies.
sys.path += [str(ONLINE), str(ENDPOINTS / "batch")]

FEATURES = [
    {
        "name": "age",
        "type": "integer",
        "minimum": 18,
        "maximum": 100,
        "categories": None,
        "description": "years",
    },
    {
        "name": "income",
        "type": "number",
        "minimum": 0,
        "maximum": None,
        "categories": None,
        "description": "",
    },
    {"name": "kind", "type": "integer", "minimum": None, "maximum": None, "categories": [1, 2, 4]},
]
WEIGHTS = np.array([[0.02], [-0.0001], [0.3]], dtype=np.float32)
BIAS = np.array([-1.0], dtype=np.float32)
THRESHOLD = 0.4
CLOUD = ("ARM_", "AZURE_", "IDENTITY_", "MSI_", "REQUESTS_CA_", "SSL_CERT_")
ENTRY_SCRIPT = ONLINE / "score.py"
# The server has no option for the address it binds.
LAUNCHER = "from azureml_inference_server_http import amlserver as s; s.DEFAULT_HOST = '127.0.0.1'; s.run()"
START_SECONDS = 60


def probability(age: float, income: float, kind: float) -> float:
    """What the tiny model must answer, computed without ONNX."""
    score = np.array([age, income, kind], dtype=np.float32) @ WEIGHTS + BIAS
    return float(1 / (1 + np.exp(-score[0])))


def write_package(folder: Path, *, width: int = 3, output: str = "probability", fmt: int = 1) -> Path:
    folder.mkdir(parents=True)
    weights = np.resize(WEIGHTS, (width, 1))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "bias"], ["score"]),
            helper.make_node("Sigmoid", ["score"], [output]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(BIAS, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    schema = {
        "format": fmt,
        "id": "id",
        "target": "late",
        "features": FEATURES,
        "decision": {"threshold": THRESHOLD, "chosen_by": "hand"},
    }
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


@pytest.fixture(scope="session")
def package_writer() -> Callable[..., Path]:
    return write_package


@pytest.fixture(scope="session")
def expected_probability() -> Callable[[float, float, float], float]:
    return probability


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package one folder below the model folder, as Azure ML mounts it."""
    return write_package(tmp_path_factory.mktemp("model") / "model_package")


def start(model_dir: Path, log: Path, **variables: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", LAUNCHER, "--entry_script", str(ENTRY_SCRIPT), "--port", str(port)]
    # Which cloud and which identity a server has is said by each test; this process may know of an emulator.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CLOUD)} | {
        "AZUREML_MODEL_DIR": str(model_dir),
        "GUNICORN_CMD_ARGS": "-k gthread --threads 2",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment | variables, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT
        )
    return process, f"http://127.0.0.1:{port}"


def wait_until_healthy(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not healthy after {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def start_server() -> Callable[..., tuple[subprocess.Popen[bytes], str]]:
    """Starts Microsoft's inference server with score.py, and says where it will answer."""
    return start


@pytest.fixture(scope="session")
def running_server() -> Callable[..., AbstractContextManager[str]]:
    """Such a server for a while; its address once it answers."""

    @contextmanager
    def run(model_dir: Path, log: Path, **variables: str) -> Generator[str]:
        process, address = start(model_dir, log, **variables)
        try:
            wait_until_healthy(process, address, log)
            yield address
        finally:
            process.terminate()
            process.wait(START_SECONDS)

    return run


@pytest.fixture(scope="session")
def inference_server(
    package: Path, running_server: Callable[..., AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Generator[httpx.Client]:
    """A client of one such server, which the tests of the xdist group "servers" share."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    variables = {"MODEL_NAME": "tiny", "MODEL_VERSION": "7", "MODEL_DIGEST": package_digest(package)}
    with (
        running_server(package.parent, log, **variables) as address,
        httpx.Client(base_url=address, timeout=START_SECONDS) as client,
    ):
        yield client
