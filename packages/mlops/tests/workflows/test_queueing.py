"""Merges in quick succession: a rollout that runs is never cancelled, and what comes after it waits for its end.

GitHub lets one wait: a newer one, which has the older one's changes too, takes its place in that stage; what the older
run has to do in other stages is not lost by it. With Azure's exclusive lock all wait, in the order in which they came.
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

from workflow_replay.progress import Silence
from workflow_replay.queues import Queues
from workflow_replay.record import JobRun, Run

from .conftest import System, Ways
from .test_ways import planned, pushed

PATIENCE_SECONDS = 60
# A rollout that takes until it is let go; it notes its stage, its commit and what main says then.
ROLLOUT = """#!{python} -IS
import json, os, pathlib, subprocess, sys, time
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
if "deploy" not in words:
    os.execv(folder / "answers", ["uv", *words])
def commit(ref):
    return subprocess.run(["git", "rev-parse", ref], capture_output=True, text=True, check=True).stdout.strip()
def note(what):
    subprocess.run(["git", "fetch", "-q", "origin", "main"], check=True)
    noted = [what, words[words.index("--stage") + 1], commit("HEAD"), commit("FETCH_HEAD")]
    with (folder / "rollouts.jsonl").open("a") as file:
        file.write(json.dumps(noted) + chr(10))
assert "--unless-superseded" in words
note("begins")
until = time.monotonic() + {patience}
while not (folder / "go").exists():
    assert time.monotonic() < until, "nobody let it go"
    time.sleep(0.02)
note("ends")
"""


class Seen(Silence):
    """Notes what waits and what has ended, of one run."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.ended: list[str] = []

    def job_waits(self, job: str, reason: str) -> None:
        """A job stands behind another run."""
        self.waiting.append(f"{job}: {reason}")

    def job_ended(self, job: JobRun) -> None:
        """A job ended, or was passed over."""
        self.ended.append(job.id)


class Merge(threading.Thread):
    """A merge that changes the releases, and the run that it starts."""

    def __init__(self, ways: Ways, system: System, number: int, *stages: str) -> None:
        super().__init__(daemon=True)
        ways.tell({"mlops plan": {"outputs": planned(*stages)}})
        event = pushed(ways, "releases/staging.yml", f"{number}\n")
        self.commit = ways.origin.tip("main")
        # The run is of this commit, whatever is merged before it begins.
        self.event = replace(event, after=self.commit)
        self.seen = Seen()
        self.ways, self.system = replace(ways, listener=self.seen), system
        self.result: Run | None = None
        self.start()

    def run(self) -> None:
        """Replay it."""
        self.result = self.ways.play(self.system, "deploy", self.event)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is seen."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, (self.seen.waiting, self.seen.ended)
            time.sleep(0.02)


@pytest.fixture
def slow(ways: Ways) -> Ways:
    """Ways whose rollouts take until the file `go` is there."""
    uv = ways.folder / "uv"
    uv.rename(ways.folder / "answers")
    uv.write_text(ROLLOUT.format(python=sys.executable, folder=str(ways.folder), patience=PATIENCE_SECONDS))
    uv.chmod(0o755)
    return replace(ways, queues=Queues())


def noted(folder: Path) -> list[tuple[str, str, str, str]]:
    """What rollouts noted: begins or ends, the stage, the commit, and main's commit then."""
    file = folder / "rollouts.jsonl"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.is_file() else []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("system", "rolled_out", "conclusions"),
    [
        pytest.param("github", (0, 2), ("success", "cancelled", "success"), id="github: the newest takes the place"),
        pytest.param("azure", (0, 1, 2), ("success", "success", "success"), id="azure: all in their order"),
    ],
)
def test_a_rollout_is_waited_for_and_never_cancelled(
    slow: Ways, system: System, rolled_out: Sequence[int], conclusions: Sequence[str]
) -> None:
    # given a rollout that runs, and two merges while it does
    first = Merge(slow, system, 1, "staging")
    first.wait_for(lambda: noted(slow.folder))
    second = Merge(slow, system, 2, "staging", "prod")
    second.wait_for(lambda: second.seen.waiting)
    third = Merge(slow, system, 3, "staging")
    third.wait_for(lambda: third.seen.waiting)

    # when it ends only after they came
    (slow.folder / "go").touch()
    merges = (first, second, third)
    for merge in merges:
        merge.join(PATIENCE_SECONDS)

    # then it was not cancelled, and nobody began before the one ahead had ended
    assert [merge.result.conclusion for merge in merges if merge.result] == list(conclusions)
    commits = [merge.commit for merge in merges]
    assert order(slow.folder, "staging") == turns(commits[number] for number in rolled_out)
    assert order(slow.folder, "prod") == turns([second.commit])
    # and who waited finds main as it is by then, by which `--unless-superseded` judges
    assert {newest for _, _, commit, newest in noted(slow.folder) if commit != first.commit} == {third.commit}


def order(folder: Path, stage: str) -> list[tuple[str, str]]:
    """What began and ended in a stage, with the commit that it was of."""
    return [(what, commit) for what, where, commit, _ in noted(folder) if where == stage]


def turns(commits: Iterable[str]) -> list[tuple[str, str]]:
    """The same, of rollouts of which each waits for the end of the one before it."""
    return [(what, commit) for commit in commits for what in ("begins", "ends")]
