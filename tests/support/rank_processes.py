"""The processes of a distributed training as a cluster starts them, on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from chain import step_command

# Tells a hang from a slow machine.
HANG_SECONDS = 300


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def rank(number: int, size: int, port: int, log: Path, **options: object) -> Generator[subprocess.Popen[bytes]]:
    """One process of train_distributed, whose output goes to a file; killed if it still runs at the end."""
    variables = {"RANK": number, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AZUREML_"))}
    environment |= {name: str(value) for name, value in variables.items()}
    words = [sys.executable, *step_command("train_distributed", **options)]
    with log.open("wb") as stream:
        process = subprocess.Popen(words, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
