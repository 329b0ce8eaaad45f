"""Concurrency groups of workflows and jobs."""

import threading
import time
from dataclasses import replace

from workflow_replay.github import replay
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.progress import Listener
from workflow_replay.result import Run, StepRun
from workflow_replay.testing import Origin

from .conftest import FILE, MAIN, Replay


class _WaitObserver(Listener):
    """Notes that a job waits, and which steps ran."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.ended: list[str] = []

    def job_waiting(self, job: str, reason: str) -> None:
        self.waits.set()

    def step_finished(self, job: str, step: StepRun) -> None:
        self.ended.append(step.name)


def test_runs_of_a_group_wait_for_each_other(origin: Origin) -> None:
    origin.commit({
        FILE: "on: [push]\nconcurrency: deploy\njobs:\n  a:\n    runs-on: x\n    steps:\n"
        '      - run: while [ ! -e "$FLAG" ]; do sleep 0.02; done\n'
    })  # fmt: skip
    flag = origin.work / "flag"
    first_seen, second_seen = _WaitObserver(), _WaitObserver()
    host = HostEnvironment(environ={**HostEnvironment().environ, "FLAG": str(flag)})
    runs: dict[str, Run] = {}

    def go(name: str, listener: _WaitObserver) -> None:
        runs[name] = replay(origin.bare, FILE, MAIN, replace(host, listener=listener))

    first = threading.Thread(target=go, args=("first", first_seen))
    first.start()
    deadline = time.monotonic() + 30
    while not host.concurrency.is_held("DEPLOY") and time.monotonic() < deadline:
        time.sleep(0.01)
    second = threading.Thread(target=go, args=("second", second_seen))
    second.start()
    assert second_seen.waits.wait(30)
    assert second_seen.ended == []
    flag.touch()
    first.join(30)
    second.join(30)

    assert {name: run.conclusion for name, run in runs.items()} == {"first": "success", "second": "success"}


def test_jobs_of_a_group_replace_the_one_that_waits_and_cannot_wait_for_their_own_run(replayed: Replay) -> None:
    own = replayed("concurrency: x\njobs:\n  a: {runs-on: x, concurrency: X, steps: [{run: echo}]}\n")
    matrix = replayed("""
jobs:
  a:
    strategy: {fail-fast: false, matrix: {n: [1, 2, 3, 4]}}
    concurrency: same
    runs-on: x
    steps: [{run: sleep 0.3}]
""")

    assert own.jobs[0].conclusion == "cancelled"
    assert "held by its own run" in own.jobs[0].reason
    # One runs and one waits: the newest replaces the one that waits. A trap for matrices.
    conclusions = [job.conclusion for job in matrix.jobs]
    assert conclusions.count("success") == 2
    assert conclusions.count("cancelled") == 2
