"""What a running replay tells, while it runs, to whoever listens; the listeners for people stand in display.py."""

from __future__ import annotations

from typing import Protocol

from workflow_replay.record import JobRun, Run, StepRun


class Listener(Protocol):
    """Hears what happens, from the threads of the jobs; `job` is the job's id in the run."""

    def run_planned(self, name: str, jobs: tuple[str, ...]) -> None:
        """The jobs of the run, by name, as far as they are known before it begins."""

    def job_waits(self, job: str, reason: str) -> None:
        """A job stands before an environment or behind another run."""

    def job_began(self, job: str) -> None:
        """A job begins."""

    def step_began(self, job: str, step: str) -> None:
        """A step begins."""

    def line(self, job: str, step: str, text: str) -> None:
        """A step printed a line, secrets hidden."""

    def step_ended(self, job: str, step: StepRun) -> None:
        """A step ended, or was passed over."""

    def job_ended(self, job: JobRun) -> None:
        """A job ended, or was passed over."""

    def run_ended(self, run: Run) -> None:
        """All is over."""


class Silence:
    """A listener that tells nobody."""

    def run_planned(self, name: str, jobs: tuple[str, ...]) -> None:
        """Nothing."""

    def job_waits(self, job: str, reason: str) -> None:
        """Nothing."""

    def job_began(self, job: str) -> None:
        """Nothing."""

    def step_began(self, job: str, step: str) -> None:
        """Nothing."""

    def line(self, job: str, step: str, text: str) -> None:
        """Nothing."""

    def step_ended(self, job: str, step: StepRun) -> None:
        """Nothing."""

    def job_ended(self, job: JobRun) -> None:
        """Nothing."""

    def run_ended(self, run: Run) -> None:
        """Nothing."""
