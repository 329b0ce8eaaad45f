"""Shared by the benchmarks of a request's cost: a package, requests at a steady pace, a receiver.

To import it, put endpoints/online on the path first.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from scorer import Reply, Scorer

FEATURES = 23
PER_SECOND = 400
REQUESTS = 800
BATCH_SECONDS = 1.0  # of the background sender
QUIET_SECONDS = 0.5
IDLE_SHARE = 0.01
TAKEN = json.dumps({"itemsReceived": 1, "itemsAccepted": 1, "errors": []}).encode()
Take = Callable[[str, "Reply", float], None]


@dataclass(frozen=True)
class Cost:
    """Microseconds per request: the median, of that the CPU time of its thread, and the CPU time of other threads."""

    median: float
    own: float
    behind: float


def cost(scorer: Scorer, take: Take) -> Cost:
    """Answer requests at a steady pace and record each; returns the cost per request."""
    body = json.dumps({"input_data": [dict.fromkeys(scorer.schema.names, 1.5)]}).encode()
    seconds, own = [], []
    others = time.process_time() - time.thread_time()
    due = time.perf_counter()
    for number in range(REQUESTS):
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        begun, used = time.perf_counter(), time.thread_time()
        take(str(number), scorer.answer(body), begun)
        own.append(time.thread_time() - used)
        seconds.append(time.perf_counter() - begun)
    settle()
    others = time.process_time() - time.thread_time() - others
    return Cost(1e6 * statistics.median(seconds), 1e6 * statistics.median(own), 1e6 * others / REQUESTS)


def settle() -> None:
    """Wait until everything is sent, so that each round pays for its own messages."""
    time.sleep(BATCH_SECONDS)
    used = QUIET_SECONDS
    while used > IDLE_SHARE * QUIET_SECONDS:
        begun = time.process_time()
        time.sleep(QUIET_SECONDS)
        used = time.process_time() - begun


def write_package(folder: Path) -> Path:
    """A logistic regression with as many features as the example."""
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
    schema = {"format": 1, "target": "target", "features": features, "decision": {"threshold": 0.5}}
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


class Receiver(BaseHTTPRequestHandler):
    """Accepts what is posted, like the collector beside a server and like Application Insights."""

    def do_POST(self) -> None:
        """Read the body, discard it, and acknowledge it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(TAKEN)))
        self.end_headers()
        self.wfile.write(TAKEN)

    def log_message(self, *_: Any, **__: Any) -> None:
        """Log nothing."""


def receive(ready: Connection) -> None:
    """Serve on a free port until the process is terminated."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    ready.send(server.server_port)
    server.serve_forever()


@contextmanager
def receiver() -> Generator[int]:
    """Run a receiver in its own process; yields its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
