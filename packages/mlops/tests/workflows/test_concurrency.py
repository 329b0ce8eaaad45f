"""Merges in quick succession: a running rollout is never cancelled, and later runs wait for it.

GitHub lets one run wait per stage: a newer one, which includes the older one's changes, replaces it there, but not in
other stages. With Azure's exclusive lock all runs wait in order.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_replay.concurrency import ConcurrencyGroups
from workflow_replay.progress import Listener
from workflow_replay.result import JobRun, Run

from .conftest import Harness, System
from .test_workflow_paths import planned, pushed

MAX_WAIT_SECONDS = 60
# A rollout that takes until the file `go` exists; it records its stage, its commit and that of main.
ROLLOUT = """#!{python} -IS
import json, os, pathlib, subprocess, sys, time
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
if "deploy" not in words:
    os.execv(folder / "answering-uv", ["uv", *words])
def commit(ref):
    return subprocess.run(["git", "rev-parse", ref], capture_output=True, text=True, check=True).stdout.strip()
def log(what):
    subprocess.run(["git", "fetch", "-q", "origin", "main"], check=True)
    logged = [what, words[words.index("--stage") + 1], commit("HEAD"), commit("FETCH_HEAD")]
    with (folder / "rollouts.jsonl").open("a") as file:
        file.write(json.dumps(logged) + chr(10))
assert "--unless-superseded" in words
log("starts")
until = time.monotonic() + {max_wait}
while not (folder / "go").exists():
    assert time.monotonic() < until, "`go` was not created"
    time.sleep(0.02)
log("ends")
"""


class Observer(Listener):
    """Records which jobs of a run waited and finished."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.finished: list[str] = []

    def job_waiting(self, job: str, reason: str) -> None:
        """A job waits for another run."""
        self.waiting.append(f"{job}: {reason}")

    def job_finished(self, job: JobRun) -> None:
        """A job finished or was skipped."""
        self.finished.append(job.id)


class Merge(threading.Thread):
    """A merge that changes releases, and the run that it triggers."""

    def __init__(self, harness: Harness, system: System, number: int, *stages: str) -> None:
        super().__init__(daemon=True)
        harness.answer({"mlops plan": {"outputs": planned(*stages)}})
        event = pushed(harness, "releases/staging.yml", f"{number}\n")
        self.commit = harness.origin.tip("main")
        # The run is of this commit, even if another merge comes before it starts.
        self.event = replace(event, after=self.commit)
        self.observer = Observer()
        self.harness, self.system = replace(harness, listener=self.observer), system
        self.result: Run | None = None
        self.start()

    def run(self) -> None:
        """Replay it."""
        self.result = self.harness.replay(self.system, "deploy", self.event)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true."""
        until = time.monotonic() + MAX_WAIT_SECONDS
        while not condition():
            assert time.monotonic() < until, (self.observer.waiting, self.observer.finished)
            time.sleep(0.02)


@pytest.fixture
def slow(harness: Harness) -> Harness:
    """A harness whose rollouts take until the file `go` exists."""
    uv = harness.folder / "uv"
    uv.rename(harness.folder / "answering-uv")
    uv.write_text(ROLLOUT.format(python=sys.executable, folder=str(harness.folder), max_wait=MAX_WAIT_SECONDS))
    uv.chmod(0o755)
    return replace(harness, concurrency=ConcurrencyGroups())


def logged(folder: Path) -> list[tuple[str, str, str, str]]:
    """What rollouts recorded: starts or ends, the stage, the commit, and main's commit at that time."""
    file = folder / "rollouts.jsonl"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.is_file() else []


@pytest.mark.parametrize(
    ("system", "rolled_out", "conclusions"),
    [
        pytest.param("github", (0, 2), ("success", "cancelled", "success"), id="github: the newest replaces"),
        pytest.param("azure", (0, 1, 2), ("success", "success", "success"), id="azure: all in order"),
    ],
)
def test_a_running_rollout_is_never_cancelled(
    slow: Harness, system: System, rolled_out: Sequence[int], conclusions: Sequence[str]
) -> None:
    # given a running rollout and two merges
    first = Merge(slow, system, 1, "staging")
    first.wait_for(lambda: logged(slow.folder))
    second = Merge(slow, system, 2, "staging", "prod")
    second.wait_for(lambda: second.observer.waiting)
    third = Merge(slow, system, 3, "staging")
    third.wait_for(lambda: third.observer.waiting)

    # when it ends after them
    (slow.folder / "go").touch()
    merges = (first, second, third)
    for merge in merges:
        merge.join(MAX_WAIT_SECONDS)

    # then it was not cancelled, and none started before the previous one had ended
    assert [merge.result.conclusion for merge in merges if merge.result] == list(conclusions)
    commits = [merge.commit for merge in merges]
    assert order(slow.folder, "staging") == turns(commits[number] for number in rolled_out)
    assert order(slow.folder, "prod") == turns([second.commit])
    # and those that waited see the newest main, which `--unless-superseded` depends on
    assert {newest for _, _, commit, newest in logged(slow.folder) if commit != first.commit} == {third.commit}


def order(folder: Path, stage: str) -> list[tuple[str, str]]:
    """What started and ended in a stage, with its commit."""
    return [(what, commit) for what, where, commit, _ in logged(folder) if where == stage]


def turns(commits: Iterable[str]) -> list[tuple[str, str]]:
    """The same for rollouts that wait for each other."""
    return [(what, commit) for commit in commits for what in ("starts", "ends")]
