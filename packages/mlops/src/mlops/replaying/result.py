"""The result of a replay, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.core.results import Block, Line, Result, Table, Tone
from workflow_replay.result import JobRun, Run, commands, document, simulated


@dataclass(frozen=True)
class ReplayResult(Result):
    """A replayed run, its `requests` to the git host, and the `limitations` of the replay."""

    run: Run
    requests: tuple[str, ...]
    limitations: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if the run succeeded, or if the event does not trigger it; else 1."""
        return 0 if not self.run.triggered or self.run.conclusion in ("success", "skipped") else 1

    def document(self) -> dict[str, Any]:
        """The run, its requests and the limitations."""
        return {**document(self.run), "requests": list(self.requests), "limitations": list(self.limitations)}

    def blocks(self) -> Sequence[Block]:
        """Jobs, annotations, requests, limitations and the conclusion."""
        run = self.run
        if not run.triggered:
            return [
                Line(f"{run.file} is not triggered: {run.reason}", "hint"),
                Line(
                    "To replay your files on another branch: `--ref main`. To include more commits: `--since REV`.",
                    "hint",
                ),
            ]
        rows = tuple((job.name, _outcome(job), f"{job.seconds:.1f}", job.environment or "") for job in run.jobs)
        annotations = [
            Line(f"{annotation.level}: {_location(annotation.file, annotation.line)}{annotation.message}")
            for annotation in run.annotations()
            if annotation.level in ("error", "warning")
        ]
        tones: dict[str, Tone] = {"success": "good", "skipped": "good"}
        return [
            Table(run.name, ("job", "result", "seconds", "environment"), rows),
            *annotations,
            *(Line(f"requested from the git host: {words}") for words in self.requests),
            *(Line(f"simulated: {name}", "hint") for name in simulated(run)),
            *(Line(sentence, "hint") for sentence in self.limitations),
            Line(
                f"{run.conclusion}: {len(commands(run))} commands ran in {run.seconds:.1f} s",
                tones.get(run.conclusion, "bad"),
            ),
        ]


def _outcome(job: JobRun) -> str:
    return f"{job.outcome} ({job.reason})" if job.reason else job.outcome


def _location(file: str | None, line: int | None) -> str:
    if file is None:
        return ""
    return f"{file}:{line}: " if line is not None else f"{file}: "
