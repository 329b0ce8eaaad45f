"""What a replay came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.core.results import Block, Line, Result, Table, Tone
from workflow_replay.record import JobRun, Run, commands, document, played


@dataclass(frozen=True)
class ReplayResult(Result):
    """A replayed run; what it `asked` the forge for; what was different from the real thing, a sentence each."""

    run: Run
    asked: tuple[str, ...]
    stood_in: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 when the run succeeded, or when the event does not start it; else 1."""
        return 0 if not self.run.triggered or self.run.conclusion in ("success", "skipped") else 1

    def document(self) -> dict[str, Any]:
        """The whole run, and what stood in for what."""
        return {**document(self.run), "asked": list(self.asked), "stood_in": list(self.stood_in)}

    def blocks(self) -> Sequence[Block]:
        """The jobs, what was said about them, and how it ended."""
        run = self.run
        if not run.triggered:
            return [
                Line(f"{run.file} does not start: {run.reason}", "hint"),
                Line(
                    "As if your files were on another branch: `--ref main`. With more commits: `--since REV`.", "hint"
                ),
            ]
        rows = tuple((job.name, _outcome(job), f"{job.seconds:.1f}", job.environment or "") for job in run.jobs)
        remarks = [
            Line(f"{annotation.level}: {_place(annotation.file, annotation.line)}{annotation.message}")
            for annotation in run.annotations()
            if annotation.level in ("error", "warning")
        ]
        tones: dict[str, Tone] = {"success": "good", "skipped": "good"}
        return [
            Table(run.name, ("job", "result", "seconds", "environment"), rows),
            *remarks,
            *(Line(f"asked of the forge: {words}") for words in self.asked),
            *(Line(f"played: {name}", "hint") for name in played(run)),
            *(Line(sentence, "hint") for sentence in self.stood_in),
            Line(
                f"{run.conclusion}: {len(commands(run))} commands ran in {run.seconds:.1f} s",
                tones.get(run.conclusion, "bad"),
            ),
        ]


def _outcome(job: JobRun) -> str:
    return f"{job.outcome} ({job.reason})" if job.reason else job.outcome


def _place(file: str | None, line: int | None) -> str:
    if file is None:
        return ""
    return f"{file}:{line}: " if line is not None else f"{file}: "
