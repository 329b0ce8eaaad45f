"""The gates of every release that a range of commits proposes; one blocked stage blocks the range.

A release that its stage runs already is not judged: it makes git agree with a rollback, and nothing new is let in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import MlopsError, ProjectError
from mlops.core.git import Repository
from mlops.core.results import Block, Line, Result, SourceLocation
from mlops.gates.render import markdown_report
from mlops.promotion.gate_run import STEP_SUMMARY_LIMIT, GateResult, gate_change, write_reports
from mlops.promotion.release_changes import plan
from mlops.promotion.stage_state import read_change
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class RangeGateResult(Result):
    """A verdict for each stage that shall run another model, and the stages that need none, with the reason."""

    since: str
    judged: tuple[GateResult, ...]
    passed_over: tuple[tuple[StageName, str], ...]

    @property
    def exit_code(self) -> int:
        """1 when any release is blocked."""
        return MlopsError.exit_code if any(each.exit_code for each in self.judged) else 0

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """Those of every release."""
        return [location for each in self.judged for location in each.locations]

    @property
    def summary(self) -> str | None:
        """The reports one after the other, each with its share of the room."""
        if not self.judged:
            return None
        limit = STEP_SUMMARY_LIMIT // len(self.judged)
        return "\n\n".join(markdown_report(each.report, limit) for each in self.judged)

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {
            "since": self.since,
            "promotes": self.exit_code == 0,
            "stages": {each.report.proposal.stage: each.document() for each in self.judged},
            "passed_over": dict(self.passed_over),
        }

    def blocks(self) -> Sequence[Block]:
        """Every verdict."""
        blocks = [block for each in self.judged for block in each.blocks()]
        blocks += [Line(f"{stage}: {reason}", "good") for stage, reason in self.passed_over]
        return blocks or [Line(f"no stage shall run another model than at {self.since}: nothing to judge", "good")]


def gate_range(clients: WorkspaceClients, since: str, *, record: bool) -> RangeGateResult:
    """Judge what changes since a revision, each against the release at that revision.

    Raises ProjectError for a manifest that cannot be read, InputError for a revision that is none.
    """
    planned = plan(Repository(clients.project.root), since)
    if planned.problems:
        raise ProjectError(
            "the releases cannot be judged as they are",
            "Correct them; `mlops plan` reads them without a login.",
            planned.problems,
            planned.locations,
        )
    judged, passed_over = [], []
    for change in planned.to_judge:
        state = read_change(clients, change.stage, since)
        if change.after is not None and state.runs(change.after.model):
            reason = f"it runs version {change.after.model.version} already: nothing new is let in"
            passed_over.append((change.stage, reason))
        else:
            report = gate_change(clients, state, record=record)
            judged.append(write_reports(clients.project, report, None, None))
    return RangeGateResult(since, tuple(judged), tuple(passed_over))
