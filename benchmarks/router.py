"""Measures what the emulator's router adds to a deployment, and how much it carries, TLS included.

A tiny ONNX model is served by Microsoft's inference server on an emulator of its own. The same load goes to
the server directly (plain HTTP on its Unix socket) and through the router (HTTPS with a key), turn about; medians are
compared.
Beside them stands the processor time that one request took of each process, which a busy machine hardly changes.
With `--granian` the project's scoring code is served by granian in a custom container, whose network is its own:
it is loaded directly from a second process outside, on a Unix socket.

    uv run python benchmarks/router.py [--granian] [--json] [--rounds 3] [--seconds 4]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import onnx
from harness.figures import Figure, report
from harness.scored_requests import write_package
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parent.parent
ONLINE = ROOT / "endpoints" / "online"
ADDED_MS = 1.0
REQUESTS_A_SECOND = 1500.0
GRANIAN_REQUESTS_A_SECOND = 3000.0
START_SECONDS = 120.0
CONNECTIONS = 8
AUDIENCE = "https://management.azure.com/.default"
ENDPOINT = "router-benchmark"
DEPLOYMENT = "blue"
FEATURES = 23
WORKERS = 2
SCRIPT = """\
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    global session
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.onnx"))
    session = onnxruntime.InferenceSession(str(model), options)


@rawhttp
def run(request):
    rows = np.asarray(json.loads(request.get_data())["input_data"], dtype=np.float32)
    return AMLResponse({"scores": session.run(None, {"features": rows})[0].tolist()}, 200, json_str=True)
"""


@dataclass(frozen=True)
class Target:
    """Where a load goes."""

    url: str
    key: str | None = None
    ca: str | None = None
    socket: str | None = None
    groups: tuple[tuple[str, int], ...] = ()


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--granian", action="store_true", help="serve with granian, in a custom container")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3, help="how often each load is repeated")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load is counted")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emulator = [sys.executable, "-m", "azureml_emulator"]
        environment = {**os.environ, "AZUREML_EMULATOR_STATE": str(folder / "state")}
        subprocess.run([*emulator, "start"], env=environment, check=True, capture_output=True)
        try:
            environment |= variables(emulator, environment)
            body = write_granian_files(folder) if arguments.granian else write_files(folder)
            direct, routed = deploy(folder, environment, granian=arguments.granian)
            with outside(folder) if arguments.granian else nullcontext(direct) as direct:
                figures = compare(direct, routed, body, arguments)
        finally:
            subprocess.run([*emulator, "stop"], env=environment, check=True, capture_output=True)
    return report("The router", figures, as_json=arguments.json)


def variables(emulator: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What `azureml-emulator env` prints."""
    command = [*emulator, "env", "--json"]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def write_files(folder: Path) -> Path:
    """Write the model, the scoring script and a request; the request's file."""
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    (folder / "model").mkdir()
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [FEATURES, 1], [0.01] * FEATURES)
    rows = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, FEATURES])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1])
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [rows], [scores], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model" / "model.onnx")
    body = folder / "request.json"
    body.write_text(json.dumps({"input_data": [[1.0] * FEATURES]}))
    return body


def write_granian_files(folder: Path) -> Path:
    """Write a model package and a request of one row; the request's file."""
    write_package(folder / "model")
    body = folder / "request.json"
    body.write_text(json.dumps({"input_data": [dict.fromkeys((f"feature_{at}" for at in range(FEATURES)), 1.5)]}))
    return body


@contextmanager
def outside(folder: Path) -> Generator[Target]:
    """The server of the container once more, outside of it: a target to load directly."""
    address = folder / "granian.socket"
    command = [str(Path(sys.executable).with_name("granian")), "--interface", "rsgi", "--factory", "--http", "1"]
    command += ["--no-ws", "--workers", str(WORKERS), "--uds", str(address), "granian_app:load"]
    variables = {**os.environ, "AZUREML_MODEL_DIR": str(folder / "model")}
    process = subprocess.Popen(
        command, env=variables, cwd=ONLINE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not accepts(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("granian does not start")
            time.sleep(0.1)
        yield Target("http://localhost/score", socket=str(address), groups=(("server", process.pid),))
    finally:
        process.terminate()
        process.wait()


def accepts(address: Path) -> bool:
    """Whether a server listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(address)) == 0


def deploy(folder: Path, environment: Mapping[str, str], *, granian: bool) -> tuple[Target, Target]:
    """Deploy the model with the SDK; the server's own address, and the endpoint's."""
    os.environ.update(environment)
    # Imported here: azure.ai.ml reads where Azure is from the environment while it is imported.
    from azure.ai.ml import MLClient, load_environment
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
        Model,
        OnlineRequestSettings,
    )
    from azure.identity import DefaultAzureCredential

    from mlops.azure.sdk_output import suppress_output

    credential = DefaultAzureCredential()
    client = MLClient(
        credential,
        environment["AZURE_SUBSCRIPTION_ID"],
        environment["AZURE_RESOURCE_GROUP"],
        environment["AZUREML_WORKSPACE_NAME"],
    )
    endpoint = ManagedOnlineEndpoint(name=ENDPOINT, auth_mode="key")
    with suppress_output():
        client.online_endpoints.begin_create_or_update(endpoint).result()
    code = CodeConfiguration(code=str(folder / "code"), scoring_script="score.py")
    runs_in = Environment(name="serving", version="1", image="any")
    if granian:
        code = CodeConfiguration(code=str(ONLINE), scoring_script="granian_app.py")
        runs_in = load_environment(ROOT / "environments" / "serving.granian.yml")
    deployment = ManagedOnlineDeployment(
        name=DEPLOYMENT,
        endpoint_name=ENDPOINT,
        model=Model(name="tiny", version="1", path=str(folder / "model")),
        code_configuration=code,
        environment=runs_in,
        instance_type="Standard_DS2_v2",
        instance_count=1,
        environment_variables={"WORKER_COUNT": str(WORKERS)},
        request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=CONNECTIONS),
    )
    endpoint.traffic = {DEPLOYMENT: 100}
    with suppress_output():
        client.online_deployments.begin_create_or_update(deployment).result()
        uri = client.online_endpoints.begin_create_or_update(endpoint).result().scoring_uri
    key = client.online_endpoints.get_keys(ENDPOINT).primary_key
    ca = environment["SSL_CERT_FILE"]
    server = the_server(uri.partition("/endpoints/")[0], ca, credential.get_token(AUDIENCE).token)
    groups = (("server", server["pid"]),)
    direct = Target("http://localhost/score", socket=server["socket"], groups=groups)
    return direct, Target(uri, key, ca, groups=(*groups, ("router", router_pid(environment))))


def the_server(base: str, ca: str, token: str) -> dict[str, Any]:
    """What the emulator says of the one deployment's server."""
    context, headers = ssl.create_default_context(cafile=ca), {"Authorization": f"Bearer {token}"}
    reply = httpx.get(f"{base}/_emulator/metrics", verify=context, headers=headers)
    return next(iter(reply.raise_for_status().json().values()))


def router_pid(environment: Mapping[str, str]) -> int:
    """The emulator's process, which leads its group."""
    command = [sys.executable, "-m", "azureml_emulator", "status", "--json"]
    shown = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(shown)["pid"]


def compare(direct: Target, routed: Target, body: Path, arguments: argparse.Namespace) -> list[Figure]:
    """Load both, turn about; the figures."""
    single: list[tuple[dict[str, Any], dict[str, Any]]] = []
    many: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for _ in range(arguments.rounds):
        for connections, pairs in ((1, single), (CONNECTIONS, many)):
            pairs.append(
                (
                    load(direct, body, connections, arguments.seconds),
                    load(routed, body, connections, arguments.seconds),
                )
            )
    added = statistics.median(through["p50_ms"] - alone["p50_ms"] for alone, through in single)
    least = GRANIAN_REQUESTS_A_SECOND if arguments.granian else REQUESTS_A_SECOND
    carried = statistics.median(through["per_second"] for _, through in many)
    failures = sum(run["failures"] for pair in single + many for run in pair)
    return [
        Figure("added at the median, 1 connection", added, "ms", ADDED_MS, note=shown(single)),
        Figure(f"carried, {CONNECTIONS} connections", carried, "1/s", least, "higher", shown(many)),
        Figure("failed requests", failures, "", 0),
    ]


def shown(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """The medians of direct and routed side by side, and the ratio of what they carry."""
    words = []
    for name, side in (("direct", 0), ("routed", 1)):
        p50, p99, rate = (
            statistics.median(pair[side][key] for pair in pairs) for key in ("p50_ms", "p99_ms", "per_second")
        )
        words.append(f"{name} p50 {p50:.2f} ms, p99 {p99:.2f} ms, {rate:.0f}/s")
        words[-1] += f", processor {processor_shown([pair[side] for pair in pairs])}"
    ratio = statistics.median(pair[1]["per_second"] / pair[0]["per_second"] for pair in pairs)
    return f"{'; '.join(words)}; routed/direct {ratio:.2f}"


def processor_shown(runs: list[dict[str, Any]]) -> str:
    """The processor time of one request by process, in milliseconds."""
    names = runs[0]["processor_ms"]
    return ", ".join(f"{name} {statistics.median(run['processor_ms'][name] for run in runs):.3f} ms" for name in names)


def load(target: Target, body: Path, connections: int, seconds: float) -> dict[str, Any]:
    """One run of the load generator."""
    command = [sys.executable, "-m", "harness.load", target.url, "--body", str(body)]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    command += ["--key", target.key] if target.key else []
    command += ["--ca", target.ca] if target.ca else []
    command += ["--socket", target.socket] if target.socket else []
    for name, group in target.groups:
        command += ["--watch", f"{name}={group}"]
    done = subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
