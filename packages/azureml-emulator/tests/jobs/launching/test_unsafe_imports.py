"""A library that starts threads on import is not forked: the fork server is replaced by one without it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from azureml_emulator.jobs.launching.fork_launcher import ForkLauncher
from azureml_emulator.jobs.launching.launcher import Launch, PlainLauncher
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.supervisor import Processes

LIBRARIES = {
    "awake": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "calm": "VALUE = 1\n",
}
STEP = "import sys, threading; print('calm' in sys.modules, 'awake' in sys.modules, threading.active_count())"
FORKED = "forked from the fork server"
PATIENCE_SECONDS = 300


async def step_after_both_are_learned(folder: Path) -> tuple[str, int]:
    """The output and exit code of a step that is started after both libraries were learned."""
    store = Store(folder / "store.sqlite")
    processes = Processes(store)
    launcher = ForkLauncher(store, processes, PlainLauncher(processes), folder / "server.log")
    launcher.open()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            launcher.learn({"awake", "calm"})
            log = folder / "step.log"
            launch = Launch("step", "python step.py", folder, dict(os.environ), log)
            while await launcher.describe(launch) != FORKED or not is_recorded_unsafe(store):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
            step = await launcher.start(launch)
            code = await step.wait()
            return log.read_text(), code
    finally:
        await launcher.close()
        processes.close()
        store.close()


def is_recorded_unsafe(store: Store) -> bool:
    return [record["unsafe"] for record in store.records("preload").values()] == [["awake"]]


def test_the_next_server_leaves_the_library_to_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given two installed libraries, one of which starts a thread
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for name, text in LIBRARIES.items():
        (libraries / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    (tmp_path / "step.py").write_text(STEP)

    said, code = asyncio.run(step_after_both_are_learned(tmp_path))

    # then a step is forked from a server that has the one without the other, and no thread is in it
    assert code == 0, said
    assert said.split() == ["True", "False", "1"]
