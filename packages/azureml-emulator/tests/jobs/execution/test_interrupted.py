"""Jobs of an emulator that is killed: their processes end, they fail with the reason, their files are private."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

FILES = "import pathlib; pathlib.Path('outputs/a/b').mkdir(parents=True)"
SLEEP = "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)"


@dataclass(frozen=True)
class Killed:
    """An emulator that was killed while jobs ran, and started again once their processes had ended."""

    emulator: RunningEmulator
    pipeline: str
    submitter: Any


@pytest.fixture(scope="module")
def killed(
    tmp_path_factory: pytest.TempPathFactory,
    submitter_of: Callable[[RunningEmulator], Any],
    scripts: Callable[..., Path],
) -> Generator[Killed]:
    # given an emulator that was started with a umask that lets others read
    settings = Settings(state=tmp_path_factory.mktemp("killed") / "state", background_start="lazy")
    before = os.umask(0o022)
    try:
        emulator = RunningEmulator(settings)
    finally:
        os.umask(before)
    try:
        submitter = submitter_of(emulator)
        # and a job that has written files, a pipeline with a running and a waiting step, and a shell command
        code = submitter.code(scripts(write=FILES, sleeper=SLEEP))
        submitter.wait(submitter.command("python write.py && echo text > outputs/a/b/file.txt", codeId=code))
        pipeline, processes = running_jobs(submitter, code)
        # when the emulator is killed, then the processes of its jobs end without a restart
        emulator.kill()
        wait_for(lambda: [process_start_time(pid) for pid in processes] == [None, None])
        emulator.restart()
        yield Killed(emulator, pipeline, submitter_of(emulator))
    finally:
        emulator.stop()


def running_jobs(submitter: Any, code: str) -> tuple[str, list[int]]:
    """A pipeline whose first step runs, and the processes of it and of a shell command's child."""
    folder = {"type": "uri_folder"}
    first = submitter.component("python sleeper.py", code=code, outputs={"o": folder})
    second = submitter.component("true", inputs={"x": folder})
    source = {"value": "${{parent.jobs.first.outputs.o}}", "job_input_type": "literal"}
    steps = {
        "first": {"type": "command", "componentId": first},
        "second": {"type": "command", "componentId": second, "inputs": {"x": source}},
    }
    pipeline = submitter.pipeline(steps)
    command = submitter.command("sleep 600 & echo pid $!; wait")
    submitter.wait(pipeline, "Running")
    child = wait_for(lambda: submitter.steps(pipeline).get("first"))["runId"]
    processes = [submitter.process(child), submitter.process(command)]
    assert None not in [process_start_time(pid) for pid in processes]
    return pipeline, processes


def test_interrupted_jobs_have_failed_with_the_reason(killed: Killed) -> None:
    details = killed.submitter.details(killed.pipeline)
    assert details["status"] == "Failed"
    assert "emulator stopped" in details["error"]["error"]["message"]
    statuses = {name: step["status"] for name, step in killed.submitter.steps(killed.pipeline).items()}
    assert statuses == {"first": "Failed", "second": "Canceled"}


def test_the_state_folder_is_private(killed: Killed) -> None:
    state = killed.emulator.settings.state
    assert list(state.rglob("a/b/file.txt"))
    entries = [path for path in state.rglob("*") if not path.is_symlink()]
    assert [path for path in entries if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
