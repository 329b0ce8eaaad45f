"""The gate report: the verdict of every rule on the evidence, as plain data. render.py formats it for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.gates.evidence import Candidate, Evidence, Proposal, collect_evidence
from mlops.gates.performance import SubgroupResult
from mlops.settings.gates import OF_REQUESTS, GatesFile, catalogue
from mlops.settings.project import NO_ONLINE_ENDPOINT
from mlops.settings.rules import Rule
from mlops.settings.verdict import NOT_BLOCKING, Comparison, Outcome, not_measured, number
from mlops.settings.verdict import check as check_rule
from model_package.errors import MeasurementError
from model_package.measures import Interval, Measure
from model_package.tasks import extensions

_NO_ENDPOINT: Final = NO_ONLINE_ENDPOINT.partition(": ")[2]
_COMMIT_CHARACTERS: Final = 12
_NO_CHAMPION: Final = "the stage runs no model yet"


@dataclass(frozen=True)
class Verdict:
    """Every rule's outcome; the release is promoted only when all of them pass."""

    outcomes: tuple[Outcome, ...]

    @property
    def promotes(self) -> bool:
        """Whether all pass that apply to the stage; no rule at all does not."""
        return bool(self.measured) and all(outcome.passed for outcome in self.outcomes)

    @property
    def measured(self) -> tuple[Outcome, ...]:
        """The outcomes of the rules that apply to the stage."""
        return tuple(outcome for outcome in self.outcomes if outcome.outcome != "not measured")

    @property
    def blocking(self) -> tuple[Outcome, ...]:
        """The outcomes that block."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)


def judge(rules: Sequence[Rule], evidence: Evidence) -> Verdict:
    """Judge every rule, whatever the others say."""
    return Verdict(tuple(check(rule, evidence) for rule in rules))


def check(rule: Rule, evidence: Evidence) -> Outcome:
    """Judge one rule."""
    if rule.measure in OF_REQUESTS and not evidence.proposal.answers_requests:
        return not_measured(rule, _NO_ENDPOINT)
    absent = Measure.failed(MeasurementError("it was not measured"))
    problem = "" if evidence.has_champion else _NO_CHAMPION
    champion = Comparison("the champion", "the held-out rows", "non_inferiority", problem)
    return check_rule(rule, evidence.measures.get(rule.measure, absent), catalogue().kind(rule.measure), champion)


@dataclass(frozen=True)
class Row:
    """One gate as people read it; "-" stands where there is nothing."""

    title: str
    champion: str
    challenger: str
    difference: str
    interval: str
    threshold: str
    outcome: str
    sentence: str
    why: str

    @property
    def blocks(self) -> bool:
        """Whether it blocks the release."""
        return self.outcome not in NOT_BLOCKING


@dataclass(frozen=True)
class GateReport:
    """Evidence and verdict of one proposal."""

    evidence: Evidence
    verdict: Verdict

    @property
    def promotes(self) -> bool:
        """Whether every gate passes."""
        return self.verdict.promotes

    @property
    def proposal(self) -> Proposal:
        """What was judged."""
        return self.evidence.proposal

    @property
    def headline(self) -> str:
        """The verdict in one sentence; names in it are unescaped."""
        model, stage = self.proposal.challenger.release.model, self.proposal.stage
        count, blocking = len(self.verdict.measured), len(self.verdict.blocking)
        if self.promotes:
            skipped = len(self.verdict.outcomes) - count
            rest = f"; {skipped} {NO_ONLINE_ENDPOINT}" if skipped else ""
            return f"PASS: {model.name} {model.version} may be released to {stage}, all {count} gates pass{rest}"
        return f"BLOCKED: {model.name} {model.version} for {stage}, {blocking} of {count} gates do not pass"

    @property
    def comparison(self) -> str:
        """Which champion the challenger was compared with, if any; names in it are unescaped."""
        champion = self.proposal.champion
        if champion is None:
            return (
                f"First release to {self.proposal.stage}: there is no champion, so only absolute thresholds are judged."
            )
        return f"Compared with the champion, version {champion.release.model.version}."

    @property
    def rules(self) -> str:
        """Which rules judged, if the change comes with others; "" if it does not. Names in it are unescaped."""
        if not self.proposal.rule_changes:
            return ""
        return (
            f"This change also changes rules, or code that judges. The release was judged by the rules before it, at "
            f"{(self.proposal.rules or '')[:_COMMIT_CHARACTERS]}; code of CI and packages/ runs as the change has it:"
        )

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every gate, in the order of the rules."""
        return tuple(_row(outcome, self.evidence) for outcome in self.verdict.outcomes)

    @property
    def blocking(self) -> tuple[Row, ...]:
        """The gates that block the release."""
        return tuple(row for row in self.rows if row.blocks)

    def document(self) -> dict[str, Any]:
        """Everything as one JSON object; null stands where a value is not defined."""
        performance = self.evidence.performance
        return {
            "stage": self.proposal.stage,
            "promotes": self.promotes,
            "headline": self.headline,
            "challenger": self.proposal.challenger.release.model_dump(mode="json"),
            "champion": _release(self.proposal.champion),
            "held_out_rows": self.proposal.held_out.height,
            "recent_inputs": _recent(self.proposal),
            "confidence": self.evidence.confidence,
            "extensions": extensions().digest or None,
            "rules": {"commit": self.proposal.rules, "changed": list(self.proposal.rule_changes)},
            "gates": [_gate(outcome, self.evidence) for outcome in self.verdict.outcomes],
            "measures": {name: _plain(_measure(each)) for name, each in self.evidence.measures.items()},
            "groups": [_subgroup(each) for each in performance.subgroups] if performance else [],
            "drift": _plain(asdict(self.evidence.drift)) if self.evidence.drift else None,
        }


def run_gates(proposal: Proposal, gates: GatesFile) -> GateReport:
    """Collect all evidence of a proposal and judge it by the rules of its stage."""
    evidence = collect_evidence(proposal, gates)
    return GateReport(evidence, judge(gates.rules_at(proposal.stage, evidence.runtime), evidence))


def _release(candidate: Candidate | None) -> dict[str, Any] | None:
    return None if candidate is None else candidate.release.model_dump(mode="json")


def _recent(proposal: Proposal) -> dict[str, Any]:
    rows = 0 if proposal.recent is None else proposal.recent.height
    return {"rows": rows, "notes": list(proposal.recent_notes), "problem": proposal.recent_problem or None}


def _gate(outcome: Outcome, evidence: Evidence) -> dict[str, Any]:
    measured = evidence.measures.get(outcome.rule.measure)
    return {
        "measure": outcome.rule.measure,
        "outcome": outcome.outcome,
        "observed": outcome.observed,
        "champion": _plain(measured.reference) if measured else None,
        "difference": _plain(measured.difference) if measured else None,
        "interval": _plain(_bounds(measured.difference_interval)) if measured else None,
        "bound": outcome.bound,
        "sentence": outcome.sentence,
        "why": outcome.rule.why,
    }


def _measure(measured: Measure) -> dict[str, Any]:
    # The keys that readers of `mlops gate --json` know.
    return {
        "value": measured.value,
        "span": asdict(measured.interval) if measured.interval else None,
        "champion": measured.reference,
        "difference": measured.difference,
        "difference_span": asdict(measured.difference_interval) if measured.difference_interval else None,
        "details": measured.details,
        "state": measured.state,
        "reason": measured.reason,
        "champion_problem": measured.reference_problem,
    }


def _subgroup(found: SubgroupResult) -> dict[str, Any]:
    document = asdict(found)
    return {"group": document.pop("slice"), **document}


def _bounds(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity: null stands for both."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(outcome: Outcome, evidence: Evidence) -> Row:
    measured = evidence.measures.get(outcome.rule.measure, Measure())
    return Row(
        title=catalogue().title(outcome.rule.measure),
        champion=shown(measured.reference),
        challenger=shown(outcome.observed),
        difference=shown(measured.difference, sign=True),
        interval=_shown_interval(measured.difference_interval),
        threshold=outcome.bound,
        outcome=outcome.outcome,
        sentence=outcome.sentence,
        why=outcome.rule.why,
    )


def shown(value: float | None, *, sign: bool = False) -> str:
    """A value for people, "-" for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"+{number(value)}" if sign and value > 0 else number(value)


def _shown_interval(interval: Interval | None) -> str:
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return "-"
    return f"{number(interval.low)} to {number(interval.high)}"
