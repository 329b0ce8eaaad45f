"""Cancelling at every await: no process is left behind, and the next program starts as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest

from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.fork_client import ForkServer
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.serving.deployment_plan import read_plan
from azureml_emulator.serving.servers.fleet import Fleet
from azureml_emulator.serving.servers.instance import ServerSpec
from azureml_emulator.serving.servers.revision import Revision
from azureml_emulator.serving.servers.server_starter import ServerStarter

HANG_SECONDS = 120
_MOST_AWAITS = 60
LONG = "import time\ntime.sleep(600)\n"
# Answers every probe; its argument is the path of its Unix socket.
SERVER = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
while True:
    connection, _ = listening.accept()
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""
# A request that is never released holds up a stop for this long.
QUICK = {"properties": {"requestSettings": {"requestTimeout": "PT0.05S", "maxQueueWait": "PT0S"}}}


class Cancelling:
    """Runs a coroutine in the current task, and cancels the task at the n-th await.

    `late` cancels when what was awaited is done already, but the task has not gone on yet.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, *, late: bool) -> None:
        self._work, self._at, self._late = work, at, late
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the coroutine awaits."""
        awaited = 0
        steps = self._work.__await__()
        task = asyncio.current_task()
        assert task is not None
        send: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                future = send()
            except StopIteration as end:
                return end.value
            if awaited == self._at:
                self.reached = True
                if self._late and future is not None:
                    future.add_done_callback(lambda _: task.cancel())
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)
            awaited += 1
            try:
                yield future
            except asyncio.CancelledError as error:
                send = lambda error=error: steps.throw(error)  # noqa: E731
            else:
                send = lambda: next(steps)  # noqa: E731


@asynccontextmanager
async def started_processes(folder: Path) -> AsyncGenerator[tuple[Processes, Store]]:
    store = Store(folder / "store.sqlite")
    processes = Processes(store)
    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield processes, store
    finally:
        processes.close()
        store.close()


async def cancel_everywhere(
    work: Callable[[], Coroutine[Any, Any, Any]], check: Callable[[], Awaitable[None]], most: int | None = None
) -> int:
    """Cancel `work()` at its first await, at its second, … until it ends by itself. Returns how many there were.

    Work that polls has more awaits on a loaded machine: with `most` only the first ones are tried.
    """
    for at in range(most or _MOST_AWAITS):
        reached = False
        for late in (False, True):
            attempt = Cancelling(work(), at, late=late)

            async def run(attempt: Cancelling = attempt) -> None:
                await attempt

            task = asyncio.create_task(run())
            with suppress(asyncio.CancelledError):
                await task
            reached = reached or attempt.reached
            await check()
        if not reached:
            return at
    if most is not None:
        return most
    raise AssertionError(f"more than {_MOST_AWAITS} awaits")


def children() -> set[str]:
    """The ids of this process's children."""
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


async def spawn_and_stop(processes: Processes, folder: Path, program: str) -> None:
    process = await processes.spawn(
        "program", ["python3", "-c", program], folder=folder, environment=dict(os.environ), log=folder / "program.log"
    )
    try:
        await asyncio.sleep(0)
    finally:
        await process.stop(0.3)


@pytest.mark.parametrize("program", [LONG, f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{LONG}"])
def test_a_process_does_not_outlive_a_cancelled_stop(tmp_path: Path, program: str) -> None:
    async def scenario() -> int:
        async with started_processes(tmp_path) as (processes, store):
            # The first program starts the watchdog as well.
            await spawn_and_stop(processes, tmp_path, "")
            before = children()

            async def none_left() -> None:
                assert children() == before
                assert store.records("process") == {}

            return await cancel_everywhere(lambda: spawn_and_stop(processes, tmp_path, program), none_left)

    assert asyncio.run(scenario()) > 1


def test_a_fork_server_runs_the_next_program_after_any_cancellation(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(LONG)
    (tmp_path / "short.py").write_text("print('ran')\n")

    async def scenario() -> tuple[int, int]:
        async with started_processes(tmp_path) as (processes, store):
            server = await ForkServer.open(processes, "server", dict(os.environ), tmp_path / "server.log")
            await server.preload([])

            async def run(name: str) -> int:
                child = await server.run(
                    name,
                    ["python", f"{name}.py"],
                    folder=tmp_path,
                    environment=dict(os.environ),
                    log=tmp_path / f"{name}.log",
                )
                if name == "short":
                    return await child.wait()
                return await child.stop(0.3)

            runs = 0

            async def usable() -> None:
                nonlocal runs
                await server.idle()
                assert await run("short") == 0
                assert set(store.records("process")) == {"server"}
                runs += 1

            awaits = await cancel_everywhere(lambda: run("long"), usable)
            await server.stop()
            return awaits, runs

    awaits, runs = asyncio.run(scenario())
    assert awaits > 1
    assert (tmp_path / "short.log").read_text() == "ran\n" * runs


class Serving:
    """One deployment: started, replaced while it serves, and stopped, with a request that never ends."""

    def __init__(self, processes: Processes, store: Store, folder: Path) -> None:
        self.listeners = Listeners(folder)
        self.fleet = Fleet(ServerStarter(processes, self.listeners, folder / "fork-server.log", fork=False))
        self._store = store
        self._folder = folder

    async def __aenter__(self) -> Self:
        self.listeners.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.listeners.close()

    async def start(self) -> None:
        revision = Revision(self._folder / uuid.uuid4().hex)
        revision.code.mkdir(parents=True)
        command = [sys.executable, "-I", "-S", "-c", SERVER]
        spec = ServerSpec(revision.folder.name, command, dict(os.environ), revision, read_plan(QUICK))
        instance = await self.fleet.launch(spec)
        await self.fleet.ensure("deployment", "deployment").replace(instance)
        await instance.admit()

    async def stop(self) -> None:
        await self.fleet.remove("deployment")

    async def stopped(self) -> None:
        """Whatever was cancelled before: a stop leaves nothing."""
        await self.fleet.stop()
        assert self._store.records("process") == {}


def test_a_server_whose_start_is_cancelled_is_stopped(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with started_processes(tmp_path) as (processes, store), Serving(processes, store, tmp_path) as serving:

            async def twice() -> None:
                await serving.start()
                await serving.start()

            await twice()
            await serving.stopped()
            before = children()

            async def none_left() -> None:
                await serving.stopped()
                assert children() == before

            return await cancel_everywhere(twice, none_left, most=24)

    assert asyncio.run(scenario()) > 1


def test_a_server_is_stopped_though_its_stop_is_cancelled(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with started_processes(tmp_path) as (processes, store), Serving(processes, store, tmp_path) as serving:
            await serving.start()
            await serving.stopped()
            before = children()
            await serving.start()

            async def none_left() -> None:
                await serving.stopped()
                assert children() == before
                await serving.start()

            awaits = await cancel_everywhere(serving.stop, none_left)
            await serving.stopped()
            return awaits

    assert asyncio.run(scenario()) > 1


def test_mlflow_that_is_stopped_while_it_starts_leaves_no_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> set[str]:
        async with started_processes(tmp_path) as (processes, store):
            listeners = Listeners(tmp_path)
            listeners.open()
            client = HttpClient(listeners.socket_path("mlflow"))
            server = MlflowServer(store, processes, client, tmp_path / "mlflow")
            server.public = server.pages = "http://127.0.0.1:1"
            before = asyncio.all_tasks()
            server.open()
            # A task does not announce that it has begun.
            while "waiting for MLflow's first answer" not in {task.get_name() for task in asyncio.all_tasks()}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await server.close()
            listeners.close()
            return {task.get_name() for task in asyncio.all_tasks() - before}

    assert not asyncio.run(scenario())
    assert "failed" not in caplog.text


def test_a_service_that_fails_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> int:
        starts = 0

        async def service() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise KeyError("a bug")

        await keep_running(service, "the service")
        return starts

    assert asyncio.run(scenario()) == 2
    assert "the service failed; it starts again" in caplog.text
