"""The fork server and its client: a cancelled start or the end of the server blocks no later program."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.fork_client import ForkedProcess, ForkServer
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.processes.supervisor import Processes

HANG_SECONDS = 300


@asynccontextmanager
async def fork_server(folder: Path) -> AsyncGenerator[ForkServer]:
    store = Store(folder / "store.sqlite")
    processes = Processes(store)
    server = await ForkServer.open(processes, "server", dict(os.environ), folder / "server.log")
    try:
        async with asyncio.timeout(HANG_SECONDS):
            await server.preload([])
            yield server
    finally:
        await server.stop()
        processes.close()
        store.close()


async def run(server: ForkServer, folder: Path, name: str, program: str) -> ForkedProcess:
    (folder / f"{name}.py").write_text(program)
    log = folder / f"{name}.log"
    return await server.run(name, ["python", f"{name}.py"], folder=folder, environment=dict(os.environ), log=log)


def test_a_cancelled_start_ends_the_child_and_blocks_no_other(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[int], int]:
        async with fork_server(tmp_path) as server:
            # given a program whose start is cancelled before the server has reported it
            pid_file = tmp_path / "pid"
            program = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
            start = asyncio.create_task(run(server, tmp_path, "cancelled", program + "time.sleep(600)"))
            await asyncio.sleep(0)
            start.cancel()
            with pytest.raises(asyncio.CancelledError):
                await start

            # when another one is started
            other = await run(server, tmp_path, "other", "print('ran')")
            code = await other.wait()

            # then it runs, and the cancelled one has ended
            await server.idle()
            return ([int(pid_file.read_text())] if pid_file.exists() else []), code

    pids, code = asyncio.run(scenario())
    assert code == 0
    assert (tmp_path / "other.log").read_text() == "ran\n"
    assert [process_start_time(pid) for pid in pids] == [None] * len(pids)


def test_the_end_of_the_server_reaches_all_waiting_clients(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, bool]:
        async with fork_server(tmp_path) as server:
            # given a program that runs
            child = await run(server, tmp_path, "long", "import time\ntime.sleep(600)")
            waiting = asyncio.create_task(child.wait())

            # when the server is killed
            os.kill(server._process.pid, signal.SIGKILL)

            # then the program has ended with it, and no other can be started
            code = await waiting
            with pytest.raises(ConnectionError):
                await run(server, tmp_path, "late", "pass")
            return code, server.alive

    code, alive = asyncio.run(scenario())
    assert code == -signal.SIGKILL
    assert not alive
