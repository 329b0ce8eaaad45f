"""Measures what collecting costs a request: on its own thread, and in processor time of the threads behind.

The scorer answers requests of one row at a steady pace, with and without collection, in turns; what is collected goes
through Azure's library to a receiver in another process. The peer is the library called as its own documentation
shows, within the request.

    uv run python benchmarks/collection.py
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from azureml.ai.monitoring import Collector
from figures import Figure, report
from onnx import TensorProto, helper, numpy_helper

ONLINE = Path(__file__).resolve().parent.parent / "endpoints" / "online"
sys.path.insert(0, str(ONLINE))

from azure_collector import INPUTS, OUTPUTS  # noqa: E402 - beside score.py, whose folder is no package
from collection import Collection  # noqa: E402
from recorder import BATCH_SECONDS  # noqa: E402
from scorer import ScoredRows, Scorer  # noqa: E402

FEATURES = 23
PER_SECOND = 400
REQUESTS = 800
ROUNDS = 3
QUIET_SECONDS = 0.5
IDLE_SHARE = 0.01
ADDED_MICROSECONDS = 50.0
BEHIND_MICROSECONDS = 100.0
Take = Callable[[str, ScoredRows | None], None]


@dataclass(frozen=True)
class Cost:
    """Microseconds a request: the median on its thread, and the processor time of all other threads."""

    median: float
    behind: float


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    # The library says on standard output, where JSON may be asked for, that it is there.
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name, receiver() as port:
        figures = measure(Path(name), port)
    return report("Collection", figures, as_json=arguments.json)


def measure(folder: Path, port: int) -> list[Figure]:
    """Ask in three ways, in turns, and compare."""
    scorer = Scorer(write_package(folder / "package"), "bench", "1")
    configuration = folder / "collector.json"
    collections = {name: {"enabled": True, "sampleRatePercentage": 100} for name in (INPUTS, OUTPUTS)}
    configuration.write_text(json.dumps({"runMode": "cloud", "collections": collections}))
    os.environ |= {"AZUREML_MDC_CONFIG_PATH": str(configuration), "AZUREML_MDC_PORT": str(port)}
    collection = Collection.from_environment(os.environ, scorer.schema, scorer.version)
    ways: dict[str, Take] = {
        "nothing": lambda identifier, scored: None,  # noqa: ARG005
        "ours": lambda identifier, scored: collection.take({"x-request-id": identifier}, scored),
        "within": within_the_request(scorer),
    }
    rounds = [{name: cost(scorer, take) for name, take in ways.items()} for _ in range(ROUNDS)]

    def added(name: str, what: str) -> float:
        return statistics.median(getattr(each[name], what) - getattr(each["nothing"], what) for each in rounds)

    ours, within = added("ours", "median"), added("within", "median")
    return [
        Figure("what collecting adds to a request at the median", ours, "us", ADDED_MICROSECONDS),
        Figure("processor time behind it, a request", added("ours", "behind"), "us", BEHIND_MICROSECONDS),
        Figure("the library within the request, at the median", within, "us", note=f"{within / ours:.0f} x ours"),
        Figure("processor time behind the library, a request", added("within", "behind"), "us"),
    ]


def within_the_request(scorer: Scorer) -> Take:
    """Collect as the library's documentation shows."""
    inputs, outputs = Collector(name=INPUTS), Collector(name=OUTPUTS)

    def take(_: str, scored: ScoredRows | None) -> None:
        assert scored
        context = inputs.collect(pd.DataFrame(scored.features, columns=pd.Index(scorer.schema.names)))
        outputs.collect(pd.DataFrame({"probability": scored.probability}), context)

    return take


def cost(scorer: Scorer, take: Take) -> Cost:
    """Answer requests at a steady pace and take each; what it costs a request."""
    body = json.dumps({"input_data": [dict.fromkeys(scorer.schema.names, 1.5)]}).encode()
    seconds = []
    others = time.process_time() - time.thread_time()
    due = time.perf_counter()
    for number in range(REQUESTS):
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        take(str(number), scorer.answer(body).scored)
        seconds.append(time.perf_counter() - begun)
    settle()
    others = time.process_time() - time.thread_time() - others
    return Cost(1e6 * statistics.median(seconds), 1e6 * others / REQUESTS)


def settle() -> None:
    """Wait until nothing more is sent, so that each round pays for its own."""
    time.sleep(BATCH_SECONDS)
    used = QUIET_SECONDS
    while used > IDLE_SHARE * QUIET_SECONDS:
        begun = time.process_time()
        time.sleep(QUIET_SECONDS)
        used = time.process_time() - begun


def write_package(folder: Path) -> Path:
    """A logistic regression with as many features as the example has."""
    folder.mkdir()
    weights = np.full((FEATURES, 1), 0.01, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["score"]),
            helper.make_node("Sigmoid", ["score"], ["probability"]),
        ],
        "bench",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", FEATURES])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    features = [{"name": f"feature_{number}", "type": "number"} for number in range(FEATURES)]
    schema = {"format": 1, "features": features, "decision": {"threshold": 0.5}}
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


class Receiver(BaseHTTPRequestHandler):
    """Takes what the library posts, as the collector beside a server does."""

    def do_POST(self) -> None:
        """Read and forget."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


def receive(ready: Connection) -> None:
    """Listen on a free port until the process is ended."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    ready.send(server.server_port)
    server.serve_forever()


@contextmanager
def receiver() -> Generator[int]:
    """A receiver in a process of its own; its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    sys.exit(main())
