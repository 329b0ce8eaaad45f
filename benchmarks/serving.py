"""Measures what a request of one row costs each server, side by side: processor time, requests a second, p99, memory.

The same ONNX model behind Microsoft's inference server and granian (bare; with collection, metrics and traces as
deployment.yml has them, the same on both; and with a trace of every request), FastAPI with an async handler and
pydantic, and `mlflow models serve`; one worker each, all up at once, loaded in turn
by the same generator. Beside them stands the floor, the scorer in this process.

    uv run python benchmarks/serving.py [--json] [--rounds 3] [--seconds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import onnx
import pandas as pd
from harness.figures import Figure, report
from harness.processor_time import group_memory
from harness.scored_requests import FEATURES, receiver, write_package
from harness.storage_receiver import storage_receiver

ONLINE = Path(__file__).resolve().parent.parent / "endpoints" / "online"
sys.path.insert(0, str(ONLINE))

from scorer import Scorer  # noqa: E402 - in score.py's folder, which is not a package

CONNECTIONS = 8
START_SECONDS = 120.0
FLOOR_REQUESTS = 5000
# As endpoints/online/deployment.yml has it.
TRACES_PER_SECOND = "5.0"
KEY = "11111111-2222-3333-4444-555555555555"
LAUNCHER = "from azureml_inference_server_http import amlserver as s; s.DEFAULT_HOST = '127.0.0.1'; s.run()"
FASTAPI = """\
import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel, create_model

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("model/model.onnx", options)
NAMES = [f"feature_{number}" for number in range(23)]
Row = create_model("Row", **{name: (float, ...) for name in NAMES})


class Rows(BaseModel):
    input_data: list[Row]


class Prediction(BaseModel):
    probability: float
    decision: int


class Answer(BaseModel):
    predictions: list[Prediction]


app = FastAPI()


@app.get("/")
async def health() -> str:
    return "Healthy"


@app.post("/score")
async def score(rows: Rows) -> Answer:
    matrix = np.array([[getattr(row, name) for name in NAMES] for row in rows.input_data], dtype=np.float32)
    found = session.run(None, {"features": matrix})[0][:, 0]
    return Answer(predictions=[Prediction(probability=float(each), decision=int(each >= 0.5)) for each in found])
"""


@dataclass
class Server:
    """One server while it runs, and what each round of load measured."""

    name: str
    url: str
    group: int
    body: Path
    runs: list[dict[str, Any]] = field(default_factory=list)
    paced: list[dict[str, Any]] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median of a figure over the rounds."""
        return statistics.median(run[name] for run in self.runs)

    @property
    def microseconds(self) -> float:
        """The processor time of one request, the best of the rounds: what others use of the machine only adds to it."""
        return min(1000 * run["processor_ms"]["server"] for run in self.runs)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is loaded")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load is counted")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        servers = start_all(folder, running)
        for _ in range(arguments.rounds):
            for server in servers.values():
                server.runs.append(load(server, arguments.seconds))
        rate = servers["inference server"].median("per_second") / 2
        for _ in range(arguments.rounds):
            for server in (servers["inference server"], servers["granian"]):
                server.paced.append(load(server, arguments.seconds, rate))
        figures = compare(servers, floor(folder), rate)
    return report("Serving", figures, as_json=arguments.json)


def start_all(folder: Path, running: ExitStack) -> dict[str, Server]:
    """Start every server and wait until each answers."""
    write_package(folder / "model")
    rows = [dict.fromkeys((f"feature_{number}" for number in range(FEATURES)), 1.5)]
    body, records = folder / "request.json", folder / "records.json"
    body.write_text(json.dumps({"input_data": rows}))
    records.write_text(json.dumps({"dataframe_records": rows}))
    (folder / "fast_api.py").write_text(FASTAPI)
    example = pd.DataFrame(rows, dtype=np.float32)
    signature = mlflow.models.infer_signature(example, np.ones((1, 1), dtype=np.float32))
    model = onnx.load(folder / "model" / "model.onnx")
    mlflow.onnx.save_model(model, folder / "mlflow", signature=signature, pip_requirements=["onnxruntime"])
    python, tools = sys.executable, Path(sys.executable).parent
    inference = [python, "-c", LAUNCHER, "--entry_script", str(ONLINE / "score.py"), "--port", "PORT"]
    # As environments/granian/Dockerfile has it.
    granian = [str(tools / "granian"), "--interface", "rsgi", "--factory", "--http", "1", "--no-ws", "--port", "PORT"]
    granian += ["--working-dir", str(ONLINE), "granian_app:load"]
    fast_api = [str(tools / "uvicorn"), "fast_api:app", "--port", "PORT", "--no-access-log"]
    served = [python, "-m", "mlflow", "models", "serve", "-m", "mlflow", "-p", "PORT", "--env-manager", "local"]
    port = running.enter_context(receiver())
    common = {"AZUREML_MODEL_DIR": str(folder / "model"), "WORKER_COUNT": "1"}
    common |= {"GUNICORN_CMD_ARGS": "-k gthread --threads 4", "MLFLOW_TRACKING_URI": str(folder / "tracking")}
    connection = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{port}/"
    all_traced = {**common, "METRICS_PATH": "/metrics", "APPLICATIONINSIGHTS_CONNECTION_STRING": connection}
    watched = {**all_traced, "TRACES_PER_SECOND": TRACES_PER_SECOND}
    collected = running.enter_context(storage_receiver(folder))
    plans: dict[str, tuple[list[str], Mapping[str, str], Path, str]] = {
        "inference server": (inference, common, body, "/score"),
        "granian": (granian, common, body, "/score"),
        "inference server, all recorded": (inference, {**watched, **azure_collector(folder, port)}, body, "/score"),
        "granian, all recorded": (granian, {**watched, **collected}, body, "/score"),
        "inference server, all traced": (inference, {**all_traced, **azure_collector(folder, port)}, body, "/score"),
        "granian, all traced": (granian, {**all_traced, **collected}, body, "/score"),
        "FastAPI": (fast_api, common, body, "/score"),
        "mlflow models serve": (served, common, records, "/invocations"),
    }
    started = {
        name: running.enter_context(start(name, command, variables, folder, request, path))
        for name, (command, variables, request, path) in plans.items()
    }
    for server in started.values():
        wait_until_it_answers(server, folder)
    return started


def azure_collector(folder: Path, port: int) -> dict[str, str]:
    """The variables of a server beside which Azure's collector runs."""
    configuration = folder / "collector.json"
    collections = {name: {"enabled": True, "sampleRatePercentage": 100} for name in ("model_inputs", "model_outputs")}
    configuration.write_text(json.dumps({"runMode": "cloud", "collections": collections}))
    return {"AZUREML_MDC_CONFIG_PATH": str(configuration), "AZUREML_MDC_PORT": str(port)}


@contextmanager
def start(
    name: str, command: list[str], variables: Mapping[str, str], folder: Path, body: Path, path: str
) -> Generator[Server]:
    """Run one server on a free port, in a process group of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(port) if word == "PORT" else word for word in command],
            env={**os.environ, **variables},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(name, f"http://127.0.0.1:{port}{path}", process.pid, body)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(START_SECONDS)


def wait_until_it_answers(server: Server, folder: Path) -> None:
    """Ask until the server takes its request. Raises SystemExit, with its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(server.url.rpartition("/")[0] + ("/ping" if "invocations" in server.url else "/")).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"{server.name} does not answer:\n{(folder / f'{server.name}.log').read_text()}")


def load(server: Server, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    """One run of the load generator."""
    command = [sys.executable, "-m", "harness.load", server.url, "--body", str(server.body), "--rate", str(rate)]
    command += ["--connections", str(CONNECTIONS), "--seconds", str(seconds), "--watch", f"server={server.group}"]
    done = subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if found["failures"]:
        raise SystemExit(f"{server.name} failed {found['failures']} of {found['requests']} requests")
    return {**found, "memory": group_memory(server.group)}


def floor(folder: Path) -> float:
    """Microseconds of processor time that the scorer takes for the request, without a server."""
    scorer = Scorer(folder / "model", "bench", "1")
    body = (folder / "request.json").read_bytes()
    times = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(FLOOR_REQUESTS // 5):
            scorer.answer(body)
        times.append((time.process_time() - begun) / (FLOOR_REQUESTS // 5))
    return 1e6 * min(times)


def compare(servers: dict[str, Server], floor_us: float, rate: float) -> list[Figure]:
    """The figures, with their limits."""
    azure, ours = servers["inference server"], servers["granian"]
    full_azure, full = servers["inference server, all recorded"], servers["granian, all recorded"]
    traced_azure, traced = servers["inference server, all traced"], servers["granian, all traced"]

    def ratio(name: str, one: Server, other: Server, limit: float | None = None) -> Figure:
        note = f"{one.microseconds:.0f} of {other.microseconds:.0f} us"
        return Figure(name, one.microseconds / other.microseconds, "x", limit, note=note)

    paced = {server.name: statistics.median(run["p99_ms"] for run in server.paced) for server in (azure, ours)}
    figures = [
        ratio("processor time, granian / inference server", ours, azure, 1 / 5),
        ratio("the same with collection, metrics and traces as shipped", full, full_azure, 1 / 4),
        ratio("the same with a trace of every request", traced, traced_azure),
        ratio("processor time, granian / FastAPI", ours, servers["FastAPI"], 1 / 2),
        ratio("processor time, granian / mlflow models serve", ours, servers["mlflow models serve"], 1 / 10),
        Figure(
            "requests/s, granian / inference server",
            ours.median("per_second") / azure.median("per_second"),
            "x",
            6.0,
            "higher",
            f"{ours.median('per_second'):.0f} and {azure.median('per_second'):.0f} per second",
        ),
        Figure(
            f"p99 at {rate:.0f} requests/s, granian",
            paced[ours.name],
            "ms",
            max(paced[azure.name], 1.0),
            note=f"inference server {paced[azure.name]:.1f} ms",
        ),
        Figure("memory, granian", ours.median("memory"), "MB", azure.median("memory")),
        Figure("the floor: the scorer in process", floor_us, "us"),
    ]
    for server in servers.values():
        note = f"{server.median('per_second'):.0f}/s, p50 {server.median('p50_ms'):.1f} ms, "
        note += f"p99 {server.median('p99_ms'):.1f} ms, {server.median('memory'):.0f} MB"
        figures.append(Figure(server.name, server.microseconds, "us", note=note))
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
