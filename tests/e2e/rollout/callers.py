"""Callers of an endpoint at a steady rate, as a process of their own; every answer is counted by who gave it.

    python callers.py URI KEY BODY PER_SECOND FILE

appends a line "<seconds of the epoch> <status> <deployment>" to FILE for each answer; status 0: none came.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

CONNECTIONS = 256
HEADER = "azureml-model-deployment"


@dataclass
class Callers:
    """What the callers have met so far."""

    file: Path

    @property
    def answers(self) -> list[tuple[float, int, str]]:
        """Time, status and deployment of every answer."""
        lines = [line.split(" ") for line in self.file.read_text().splitlines() if line.count(" ") == 2]
        return [(float(when), int(status), name) for when, status, name in lines]

    @property
    def failures(self) -> Counter[tuple[int, str]]:
        """How often what failed, by status and deployment."""
        return Counter((status, name) for _, status, name in self.answers if status != 200)

    @property
    def per_second(self) -> float:
        """The rate that was kept."""
        times = [when for when, _, _ in self.answers]
        return len(times) / max(1e-9, max(times) - min(times))


@contextmanager
def calling(uri: str, key: str, body: bytes, per_second: int, file: Path) -> Generator[Callers]:
    """Call until the block ends."""
    file.touch()
    command = [sys.executable, __file__, uri, key, body.decode(), str(per_second), str(file)]
    process = subprocess.Popen(command)
    try:
        while not file.stat().st_size:
            assert process.poll() is None, "the callers ended"
            time.sleep(0.02)
        yield Callers(file)
        assert process.poll() is None, "the callers ended"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def call(uri: str, key: str, body: bytes, per_second: float, file: Path) -> None:
    """Ask for ever."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    tasks: set[asyncio.Task[None]] = set()
    with file.open("a", buffering=1) as answers:
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            due = time.monotonic()
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += 1 / per_second
                task = asyncio.create_task(ask(session, uri, body, answers))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


async def ask(session: aiohttp.ClientSession, uri: str, body: bytes, answers) -> None:
    """Ask once."""
    try:
        async with session.post(uri, data=body) as reply:
            await reply.read()
            status, name = reply.status, reply.headers.get(HEADER, "-")
    except (aiohttp.ClientError, TimeoutError):
        status, name = 0, "-"
    answers.write(f"{time.time()} {status} {name}\n")


if __name__ == "__main__":
    os.environ.pop("PYTHONASYNCIODEBUG", None)
    _, address, secret, text, rate, target = sys.argv
    asyncio.run(call(address, secret, text.encode(), float(rate), Path(target)))
