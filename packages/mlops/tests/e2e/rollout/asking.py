"""A program: asks an endpoint for ever at a steady rate. `python asking.py URI KEY BODY PER_SECOND ANSWERS`.

A line "<epoch> <status> <deployment> <seconds>" in the file ANSWERS for each answer, status 0 where none came.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import TextIO

import aiohttp

CONNECTIONS = 256
HEADER = "azureml-model-deployment"


async def ask_for_ever(uri: str, key: str, body: bytes, per_second: float, file: Path) -> None:
    """Whoever does not get an answer in time asks all the same: that is what many callers do."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    # Made here: the library makes its own when it is imported, before the variables of a workspace are known.
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=ssl.create_default_context())
    tasks: set[asyncio.Task[None]] = set()
    with file.open("a", buffering=1) as answers:
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            due = time.monotonic()
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += 1 / per_second
                task = asyncio.create_task(_ask(session, uri, body, answers))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


async def _ask(session: aiohttp.ClientSession, uri: str, body: bytes, answers: TextIO) -> None:
    began = time.monotonic()
    try:
        async with session.post(uri, data=body) as reply:
            await reply.read()
            status, name = reply.status, reply.headers.get(HEADER, "-")
    except (aiohttp.ClientError, TimeoutError):
        status, name = 0, "-"
    answers.write(f"{time.time()} {status} {name} {time.monotonic() - began:.3f}\n")


if __name__ == "__main__":
    uri, key, body, per_second, answers = sys.argv[1:]
    asyncio.run(ask_for_ever(uri, key, Path(body).read_bytes(), float(per_second), Path(answers)))
