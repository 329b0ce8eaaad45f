"""The gate report: the verdict of every rule on the evidence, as plain data. render.py formats it for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.gates.evidence import Candidate, Evidence, Proposal, collect_evidence
from mlops.gates.performance import Performance, SubgroupResult
from mlops.settings.gates import OF_REQUESTS, GatesFile, catalogue
from mlops.settings.project import NO_ONLINE_ENDPOINT
from mlops.settings.rules import Rule
from mlops.settings.verdict import NOT_BLOCKING, NOT_MEASURED, Comparison, Outcome, not_measured, number
from mlops.settings.verdict import check as check_rule
from model_package.errors import MeasurementError
from model_package.measures import Interval, Measure

_NO_ENDPOINT: Final = NO_ONLINE_ENDPOINT.partition(": ")[2]
_COMMIT_CHARACTERS: Final = 12
_NEAREST: Final = 3
_MOVES: Final = 4
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
        """The outcomes that rest on a measurement."""
        return tuple(outcome for outcome in self.outcomes if outcome.outcome != NOT_MEASURED)

    @property
    def unmeasured(self) -> tuple[Outcome, ...]:
        """The outcomes of the rules that had nothing to measure or to compare with: neither passed nor blocking."""
        return tuple(outcome for outcome in self.outcomes if outcome.outcome == NOT_MEASURED)

    @property
    def nearest(self) -> tuple[Outcome, ...]:
        """The passing outcomes with the least room to their bounds, the nearest first."""
        near = [each for each in self.measured if each.passed and each.room is not None]
        return tuple(sorted(near, key=lambda each: each.room or 0.0)[:_NEAREST])

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
        count, blocking = len(self.verdict.outcomes), len(self.verdict.blocking)
        skipped = len(self.verdict.unmeasured)
        rest = f", {skipped} not measured" if skipped else ""
        if not self.promotes:
            return f"BLOCKED: {model.name} {model.version} for {stage}, {blocking} of {count} gates do not pass{rest}"
        passed = f"{count - skipped} of {count} gates pass" if skipped else f"all {count} gates pass"
        return f"PASS: {model.name} {model.version} may be released to {stage}, {passed}{rest}"

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
    def extensions(self) -> str:
        """Which code of extensions/ measured, and from where; "" for none."""
        digest, commit = self.evidence.extensions, self.proposal.rules
        if not digest:
            return ""
        where = f"as it was at {commit[:_COMMIT_CHARACTERS]}" if commit else "of the working folder"
        return f"Code of extensions/ measured too, {where}, in a process of its own: {digest}."

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every gate that measured something, those that block first; otherwise in the order of the rules."""
        ordered = sorted(self.verdict.measured, key=lambda outcome: outcome.passed)
        return tuple(_row(outcome, self.evidence) for outcome in ordered)

    @property
    def unmeasured(self) -> tuple[Row, ...]:
        """The gates that had nothing to measure, in the order of the rules."""
        return tuple(_row(outcome, self.evidence) for outcome in self.verdict.unmeasured)

    @property
    def changes(self) -> tuple[str, ...]:
        """What the release changes for whom, in sentences; empty where the rows could not be scored."""
        performance = self.evidence.performance
        return _changes(performance, self.proposal.champion is not None) if performance else ()

    @property
    def nearest(self) -> tuple[str, ...]:
        """The passing gates that are nearest to their bounds, in words: the next model may break these."""
        return tuple(
            f"{catalogue().title(each.rule.measure)}: {100 * (each.room or 0.0):.0f} % of the bound is left "
            f"({each.sentence})"
            for each in self.verdict.nearest
        )

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
            "extensions": self.evidence.extensions or None,
            "rules": {"commit": self.proposal.rules, "changed": list(self.proposal.rule_changes)},
            "changes": _impact(performance),
            "nearest": [each.rule.measure for each in self.verdict.nearest],
            "not_measured": [each.rule.measure for each in self.verdict.unmeasured],
            "gates": [_gate(outcome, self.evidence) for outcome in self.verdict.outcomes],
            "measures": {name: _plain(_measure(each)) for name, each in self.evidence.measures.items()},
            "groups": [_subgroup(each) for each in performance.subgroups] if performance else [],
            "drift": _plain(asdict(self.evidence.drift)) if self.evidence.drift else None,
        }


def _changes(performance: Performance, has_champion: bool) -> tuple[str, ...]:  # noqa: FBT001 - one caller
    impact = performance.impact
    rows = f"Of {impact.rows:,} held-out rows"
    if performance.champion is None:
        decided = ", ".join(
            f"{count:,} as {name} ({_share(count, impact.rows)})" for name, count in impact.decisions[:_MOVES]
        )
        why = "The champion's decisions are unknown. " if has_champion else ""
        return (f"{why}{rows} the model decides {decided}.",) if decided else ()
    if not performance.challenger.task.decides():
        apart = f"by {shown(impact.distance)} on average, by {shown(impact.most)} at most"
        return (f"{rows} the answers change {apart}.",)
    moves = ", ".join(f"{count:,} from {old} to {new}" for old, new, count in impact.moves[:_MOVES])
    more = f", and {len(impact.moves) - _MOVES} more kinds of change" if len(impact.moves) > _MOVES else ""
    share = _share(impact.changed, impact.rows)
    return (
        f"{rows} the decision changes for {impact.changed:,} ({share}){f': {moves}{more}' if moves else ''}.",
        *_changes_by_subgroup(performance.subgroups),
    )


def _changes_by_subgroup(subgroups: Sequence[SubgroupResult]) -> tuple[str, ...]:
    """Where decisions change most often and least often, among the subgroups that are large enough to count."""
    counted = [each for each in subgroups if each.counted and each.changed is not None and each.rows]
    if not counted or not any(each.changed for each in counted):
        return ()
    ordered = sorted(counted, key=lambda each: (each.changed or 0) / each.rows)
    texts = [
        f"{each.slice} {each.label} ({_share(each.changed or 0, each.rows)})" for each in (ordered[-1], ordered[0])
    ]
    return (f"Most often for {texts[0]}, least often for {texts[1]}.",)


def _share(count: int, rows: int) -> str:
    return f"{100 * count / rows:.1f} %" if rows else "-"


def run_gates(proposal: Proposal, gates: GatesFile) -> GateReport:
    """Collect all evidence of a proposal and judge it by the rules of its stage."""
    evidence = collect_evidence(proposal, gates)
    rules = gates.rules_at(proposal.stage, evidence.runtime, extended=bool(evidence.extensions))
    return GateReport(evidence, judge(rules, evidence))


def _release(candidate: Candidate | None) -> dict[str, Any] | None:
    return None if candidate is None else candidate.release.model_dump(mode="json")


def _impact(performance: Performance | None) -> dict[str, Any] | None:
    if performance is None:
        return None
    return _plain(asdict(performance.impact)) | {"changed": performance.impact.changed}


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
        "room": outcome.room,
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
