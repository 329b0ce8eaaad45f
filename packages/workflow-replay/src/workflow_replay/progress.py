"""Events of a running replay, for callers that follow it; display.py has the listeners that print."""

from __future__ import annotations

from workflow_replay.result import JobRun, Run, StepRun


class Listener:
    """Ignores everything; override what you want to hear.

    Methods are called from the threads of the jobs. `job` is the job's id in the run.
    """

    def run_planned(self, name: str, jobs: tuple[str, ...]) -> None:
        """The run starts, with these jobs as far as they are known before it does."""

    def job_waiting(self, job: str, reason: str) -> None:
        """A job waits for an approval, or for another run."""

    def job_started(self, job: str) -> None:
        """A job starts."""

    def step_started(self, job: str, step: str) -> None:
        """A step starts."""

    def line(self, job: str, step: str, text: str) -> None:
        """A step printed a line; secrets are masked."""

    def step_finished(self, job: str, step: StepRun) -> None:
        """A step finished or was skipped."""

    def job_finished(self, job: JobRun) -> None:
        """A job finished or was skipped."""

    def run_finished(self, run: Run) -> None:
        """The run is over."""
