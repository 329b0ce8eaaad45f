"""What the emulator's own work costs: a metric logged through it and directly to MLflow's server, and steps per second.

Both addresses are asked in turn, over connections that stay open, so that a busy machine slows both. Linux only.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from harness.figures import Figure
from harness.local_emulator import POLL_SECONDS, emulator, mlflow_address, workspace

METRICS = 300
STEPS = 24
TERMINAL = ("Completed", "Failed", "Canceled")
STEP = "print('done')\n"


def work_figures(state: Path) -> list[Figure]:
    """Measure an emulator that runs on this state folder."""
    process = json.loads(emulator("status", state, "--json"))["pid"]
    front = mlflow_address(state)
    through, direct = logging_times(front, f"http://127.0.0.1:{server_port(process)}")
    return [
        Figure("log_metric at MLflow's own server, median", direct * 1000, "ms", note="the peer"),
        Figure("log_metric through the emulator, median", through * 1000, "ms"),
        Figure("through the emulator / directly", through / direct, "x"),
        Figure(f"Python steps of a pipeline of {STEPS}", steps_per_second(), "/s", better="higher"),
    ]


def server_port(emulator_process: int) -> int:
    """The port of MLflow's server, which is a child of the emulator."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == emulator_process and "--port" in words:
            return int(words[words.index("--port") + 1])
    raise RuntimeError("The emulator has no MLflow server.")


def logging_times(*addresses: str) -> list[float]:
    """The median seconds of one log_metric at each address."""
    logs = [logger(address) for address in addresses]
    times: list[list[float]] = [[] for _ in addresses]
    for number in range(METRICS):
        for log, found in zip(logs, times, strict=True):
            start = time.perf_counter()
            log(number)
            found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


def logger(address: str) -> Callable[[int], None]:
    """Logs a metric to a run of its own. Raises RuntimeError for a refusal."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)

    def ask(route: str, body: dict[str, object]) -> dict[str, dict[str, dict[str, str]]]:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/api/2.0/mlflow/{route}", json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != http.client.OK:
            raise RuntimeError(f"{route} answered {reply.status}: {text[:200]!r}")
        return json.loads(text)

    run = ask("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]

    def log(number: int) -> None:
        moment = int(time.time() * 1000)
        ask("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.5, "timestamp": moment, "step": number})

    return log


def steps_per_second() -> float:
    """Steps that do nothing, of one pipeline after another that warms the emulator."""
    from azure.ai.ml import command, dsl
    from azure.ai.ml.entities import Environment

    client = workspace()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "step.py").write_text(STEP)
        step = command(
            command="python step.py ${{inputs.number}}",
            code=folder,
            environment=Environment(image="busybox"),
            inputs={"number": 0},
        )

        def seconds(first: int, count: int) -> float:
            @dsl.pipeline(None, compute="cpu-cluster")
            def steps() -> None:
                for number in range(first, first + count):
                    step(number=number)

            start = time.perf_counter()
            name = client.jobs.create_or_update(steps(), experiment_name="steps").name
            while (status := client.jobs.get(name).status) not in TERMINAL:
                time.sleep(POLL_SECONDS)
            if status != "Completed":
                raise RuntimeError(f"The job {name} ended as {status}.")
            return time.perf_counter() - start

        seconds(0, 2)
        return STEPS / seconds(2, STEPS)
