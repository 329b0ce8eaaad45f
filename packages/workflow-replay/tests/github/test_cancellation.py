"""Timeouts and cancellation of jobs and runs."""

from workflow_replay.cancellation import Cancellation
from workflow_replay.progress import Listener

from .conftest import Replay, conclusions


class _CancelsOnLine(Listener):
    """Cancels when a step prints a certain line."""

    def __init__(self, cancellation: Cancellation, text: str) -> None:
        self._cancellation = cancellation
        self._text = text

    def line(self, job: str, step: str, text: str) -> None:
        if text == self._text:
            self._cancellation.cancel()


def test_a_job_times_out(replayed: Replay) -> None:
    run = replayed("""
jobs:
  slow:
    runs-on: x
    timeout-minutes: 0.02
    steps:
      - run: sleep 60
      - run: echo never
      - if: always()
        run: echo last
  after: {needs: slow, runs-on: x, steps: [{run: echo}]}
""")

    assert conclusions(run) == {"slow": "cancelled", "after": "skipped"}
    assert [step.conclusion for step in run.job("slow").steps] == ["cancelled", "skipped", "success"]
    assert "maximum execution time" in run.job("slow").reason


def test_a_cancelled_run_still_runs_cleanup_steps_and_jobs(replayed: Replay) -> None:
    cancellation = Cancellation()
    run = replayed(
        """
jobs:
  one:
    runs-on: x
    steps:
      - run: "echo started; sleep 60"
      - run: echo never
      - if: cancelled()
        run: echo cancelled
      - if: failure()
        run: echo failed
  stays:
    runs-on: x
    if: always()
    steps: [{run: "sleep 0.5; echo done"}]
  next: {needs: one, runs-on: x, steps: [{run: echo}]}
  cleans: {needs: one, runs-on: x, if: always(), steps: [{run: "echo ${{ needs.one.result }}"}]}
""",
        cancellation=cancellation,
        listener=_CancelsOnLine(cancellation, "started"),
    )

    assert [step.conclusion for step in run.job("one").steps] == ["cancelled", "skipped", "success", "skipped"]
    assert conclusions(run) == {"one": "cancelled", "stays": "success", "next": "skipped", "cleans": "success"}
    assert run.job("cleans").steps[0].output == ("cancelled",)
    assert run.conclusion == "cancelled"
