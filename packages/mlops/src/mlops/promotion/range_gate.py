"""The gates of every release that a range of commits proposes; one blocked stage blocks the range.

A release that its stage already runs is not judged: it reconciles git with a rollback and releases nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import MlopsError, ProjectError, PromotionRefused
from mlops.core.git import Repository
from mlops.core.markdown import escape
from mlops.core.results import Block, Line, Result, SourceLocation
from mlops.gates.render import markdown_report
from mlops.promotion.gate_run import STEP_SUMMARY_LIMIT, GateResult, gate_change, judging_clients, write_reports
from mlops.promotion.release_changes import plan
from mlops.promotion.stage_state import change_base, read_stage
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class RangeGateResult(Result):
    """A verdict for each stage whose model changes, and the stages that need none, with the reason.

    `refused` are those whose model did not run in the stage before; `rule_changes` is what else the commits change in
    the rules, and in code that judges.
    """

    since: str
    judged: tuple[GateResult, ...]
    passed_over: tuple[tuple[StageName, str], ...]
    refused: tuple[tuple[StageName, str], ...] = ()
    rule_changes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of PromotionRefused if a stage was skipped, else 1 if any release is blocked."""
        if self.refused:
            return PromotionRefused.exit_code
        return MlopsError.exit_code if any(each.exit_code for each in self.judged) else 0

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """The locations of every release."""
        return [location for each in self.judged for location in each.locations]

    @property
    def summary(self) -> str | None:
        """All reports, each cut to its share of the size limit."""
        if not self.judged and not self.refused:
            return None
        limit = STEP_SUMMARY_LIMIT // (len(self.judged) + 1)
        skipped = [f"## ❌ REFUSED: {escape(stage)}: {escape(reason)}" for stage, reason in self.refused]
        return "\n\n".join([*skipped, *(markdown_report(each.report, limit) for each in self.judged)])

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {
            "since": self.since,
            "promotes": self.exit_code == 0,
            "stages": {each.report.proposal.stage: each.document() for each in self.judged},
            "passed_over": dict(self.passed_over),
            "refused": dict(self.refused),
            "rule_changes": list(self.rule_changes),
        }

    def blocks(self) -> Sequence[Block]:
        """Every verdict."""
        blocks = [block for each in self.judged for block in each.blocks()]
        blocks += [Line(f"{stage}: {reason}", "good") for stage, reason in self.passed_over]
        blocks += [Line(f"REFUSED: {stage}: {reason}", "bad") for stage, reason in self.refused]
        if blocks and self.rule_changes and not self.judged:
            blocks += [Line("these commits also change rules, or code that judges:"), *map(Line, self.rule_changes)]
        return blocks or [Line(f"no stage's model changes since {self.since}: nothing to judge", "good")]


def gate_range(clients: WorkspaceClients, since: str, *, record: bool) -> RangeGateResult:
    """Judge every release that changed since a revision, each against the release at that revision.

    Raises ProjectError for a manifest that cannot be read, InputError for an unknown revision.
    """
    planned = plan(Repository(clients.project.root), since)
    if planned.problems:
        raise ProjectError(
            "the releases cannot be read",
            "Correct them; `mlops plan` reads them without a login.",
            planned.problems,
            planned.locations,
        )
    if not planned.to_judge:
        return RangeGateResult(since, (), ())
    judged, passed_over, refused = [], [], []
    clients, rules = judging_clients(clients, change_base(clients.project.root, planned.order.training, since))
    for change in planned.to_judge:
        state = read_stage(clients, change.stage, since)
        if change.after is not None and state.runs(change.after.model, clients.project.settings.model):
            reason = f"it already runs version {change.after.model.version}: nothing new is released"
            passed_over.append((change.stage, reason))
            continue
        try:
            report = gate_change(clients, state, rules, record=record)
        except PromotionRefused as error:
            refused.append((change.stage, f"{error.message}. {error.advice}"))
        else:
            judged.append(write_reports(clients.project, report, None, None))
    return RangeGateResult(since, tuple(judged), tuple(passed_over), tuple(refused), rules.changes)
