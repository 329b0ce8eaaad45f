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
    settings = Settings(state=tmp_path_factory.mktemp("killed") / "state", background_start="lazy", parallel_steps=4)
    before = os.umask(0o022)
    try:
        emulator = RunningEmulator(settings)
    finally:
        os.umask(before)
    try:
        submitter = submitter_of(emulator)
        # and a job that has written files, a pipeline with running and waiting steps on two levels, and a shell command
        code = submitter.code(scripts(write=FILES, sleeper=SLEEP))
        submitter.wait(submitter.command("python write.py && echo text > outputs/a/b/file.txt", codeId=code))
        pipeline, processes = running_jobs(submitter, code)
        # when the emulator is killed, then the processes of its jobs end without a restart
        emulator.kill()
        wait_for(lambda: not any(process_start_time(pid) for pid in processes))
        emulator.restart()
        yield Killed(emulator, pipeline, submitter_of(emulator))
    finally:
        emulator.stop()


def running_jobs(submitter: Any, code: str) -> tuple[str, list[int]]:
    """A pipeline whose first steps run on each level, and the processes of them and of a shell command's child."""
    folder = {"type": "uri_folder"}
    first = submitter.component("python sleeper.py", code=code, outputs={"o": folder})
    second = submitter.component("true", inputs={"x": folder})
    source = {"value": "${{parent.jobs.first.outputs.o}}", "job_input_type": "literal"}
    steps = {
        "first": {"type": "command", "componentId": first},
        "second": {"type": "command", "componentId": second, "inputs": {"x": source}},
    }
    inner = f"{submitter.workspace}/components/inner/versions/1"
    body = {"properties": {"componentSpec": {"type": "pipeline", "jobs": steps}}}
    submitter.http.put(inner, params={"api-version": "2023-04-01"}, json=body).raise_for_status()
    pipeline = submitter.pipeline({**steps, "inner": {"type": "pipeline", "componentId": inner}})
    command = submitter.command("sleep 600 & echo pid $!; wait")
    submitter.wait(pipeline, "Running")
    top = wait_for(lambda: found if {"first", "inner"} <= (found := submitter.steps(pipeline)).keys() else None)
    children = [top["first"]["runId"], submitter.steps(top["inner"]["runId"])["first"]["runId"]]
    processes = [submitter.process(each) for each in (*children, command)]
    assert None not in [process_start_time(pid) for pid in processes]
    return pipeline, processes


def test_interrupted_jobs_have_failed_with_the_reason(killed: Killed) -> None:
    steps = killed.submitter.steps(killed.pipeline)
    inner = steps.pop("inner")["runId"]
    for level in (killed.pipeline, inner):
        details = killed.submitter.details(level)
        assert details["status"] == "Failed"
        assert "emulator stopped" in details["error"]["error"]["message"]
    for level in (steps, killed.submitter.steps(inner)):
        assert {name: step["status"] for name, step in level.items()} == {"first": "Failed", "second": "Canceled"}


def test_the_state_folder_is_private(killed: Killed) -> None:
    state = killed.emulator.settings.state
    assert list(state.rglob("a/b/file.txt"))
    entries = [path for path in state.rglob("*") if not path.is_symlink()]
    assert [path for path in entries if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
