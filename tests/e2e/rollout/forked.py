"""What runs in processes forked from one that has imported it already: the `mlops` command, and callers.

Real processes, to be killed, without the slow start. Imported by its plain name, because the fork server finds it so.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from pathlib import Path
from typing import TextIO

import aiohttp

CONNECTIONS = 256
HEADER = "azureml-model-deployment"
# What the fork server imports before it forks.
IMPORTS = ["forked", "mlops.commands.deploy", "mlops.commands.rollback", "mlops.rollout.deploy", "mlops.workspace"]


def command(arguments: list[str], folder: Path, variables: dict[str, str], log: Path) -> None:
    """Run one command in a folder; the process ends with the command's exit code."""
    from mlops.command_line import run

    _become(variables)
    os.chdir(folder)
    sys.stdout = sys.stderr = log.open("a", buffering=1)
    os._exit(run(arguments))


def call(uri: str, key: str, body: bytes, per_second: float, variables: dict[str, str], file: Path) -> None:
    """Ask for ever at a steady rate; a line "<epoch> <status> <deployment> <seconds>" for each answer, status 0: none.

    Whoever does not get an answer in time asks all the same: that is what many callers do.
    """
    _become(variables)
    asyncio.run(_call(uri, key, body, per_second, file))


def _become(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


async def _call(uri: str, key: str, body: bytes, per_second: float, file: Path) -> None:
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
