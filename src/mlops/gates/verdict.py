"""From evidence and rules to a verdict. Pure: no I/O. Only a pass promotes, and every rule is judged.

What cannot be judged blocks: a measure that is missing, broken or no number, a champion without a value. The
two exceptions must be written in the rule: `no_champion: pass` and `missing: pass`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mlops.gates.evidence import Evidence
from mlops.gates.measures import Measured, Unmeasurable, kind_of, not_measured
from mlops.gates.rules import Rule

Result = Literal["pass", "fail", "inconclusive", "error"]
_SEVERITY: Final[dict[Result, int]] = {"pass": 0, "inconclusive": 1, "fail": 2, "error": 3}
# Below and above these, four decimals show nothing, or nothing more.
_SMALL: Final = 0.001
_LARGE: Final = 100
_NO_CHAMPION: Final = "the stage runs no model yet"


@dataclass(frozen=True)
class Outcome:
    """What one rule came to: the value observed (None when there is none), its bounds, and one sentence."""

    rule: Rule
    outcome: Result
    observed: float | None
    bound: str
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether this rule lets the release through."""
        return self.outcome == "pass"


@dataclass(frozen=True)
class Verdict:
    """Every rule's outcome; the release is promoted only when all of them pass."""

    outcomes: tuple[Outcome, ...]

    @property
    def promotes(self) -> bool:
        """Whether all pass; no rule at all does not."""
        return bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)

    @property
    def blocking(self) -> tuple[Outcome, ...]:
        """The outcomes that block."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)


@dataclass(frozen=True)
class _Finding:
    result: Result
    sentence: str


def judge(rules: Sequence[Rule], evidence: Evidence) -> Verdict:
    """Judge every rule; none ends the others."""
    return Verdict(tuple(check(rule, evidence) for rule in rules))


def check(rule: Rule, evidence: Evidence) -> Outcome:
    """Judge one rule."""
    absent = not_measured(Unmeasurable("it was not measured"))
    measured = evidence.measures.get(rule.measure, absent)
    findings = _findings(rule, measured, has_champion=evidence.has_champion)
    worst = max((finding.result for finding in findings), key=lambda result: _SEVERITY[result])
    said = [finding.sentence for finding in findings if finding.result == worst or finding.result != "pass"]
    observed = measured.value if measured.state == "measured" and math.isfinite(measured.value) else None
    return Outcome(rule, worst, observed, bound_text(rule), "; ".join(said))


def bound_text(rule: Rule) -> str:
    """The rule's bounds as people read them."""
    bounds = rule.bounds
    texts = [
        _said("≥ ", bounds.min),
        _said("≤ ", bounds.max),
        _said("drop ≤ ", bounds.max_drop),
        _said("rise ≤ ", bounds.max_rise),
        _said("ratio ≤ ", bounds.max_ratio),
    ]
    return ", ".join(text for text in texts if text)


def _said(prefix: str, bound: float | None) -> str:
    return "" if bound is None else f"{prefix}{bound:g}"


def _findings(rule: Rule, measured: Measured, *, has_champion: bool) -> list[_Finding]:
    if kind_of(rule.measure).needs_champion and not has_champion:
        return [_Finding(rule.no_champion, f"nothing to compare with: {_NO_CHAMPION}")]
    if measured.state == "nothing":
        return [_Finding(rule.missing, f"not measured: {measured.reason}")]
    if measured.state == "broken":
        return [_Finding("error", f"cannot be measured: {measured.reason}")]
    if not math.isfinite(measured.value):
        return [_Finding("error", "is no number: the held-out rows do not define it (one class only?)")]
    return [*_absolute(rule, measured), *_relative(rule, measured, has_champion=has_champion)]


def _absolute(rule: Rule, measured: Measured) -> list[_Finding]:
    findings = []
    value, shown = measured.value, number(measured.value)
    details = f" ({'; '.join(measured.details)})" if measured.details else ""
    low, high = rule.bounds.min, rule.bounds.max
    if low is not None:
        kept = value >= low
        findings.append(_bound(kept, f"{shown} is {'at least' if kept else 'below'} {low:g}{details}"))
    if high is not None:
        kept = value <= high
        findings.append(_bound(kept, f"{shown} is {'at most' if kept else 'above'} {high:g}{details}"))
    return findings


def _bound(kept: bool, sentence: str) -> _Finding:  # noqa: FBT001 - the sentence beside it names it
    return _Finding("pass" if kept else "fail", sentence)


def _relative(rule: Rule, measured: Measured, *, has_champion: bool) -> list[_Finding]:
    bounds = rule.bounds
    if not bounds.relative:
        return []
    if not has_champion:
        return [_Finding(rule.no_champion, f"not compared: {_NO_CHAMPION}")]
    if measured.champion is None or not math.isfinite(measured.champion):
        problem = measured.champion_problem or "its value is no number"
        return [_Finding("error", f"the champion cannot be measured: {problem}")]
    findings = []
    if bounds.max_drop is not None:
        findings.append(_margin(measured, bounds.max_drop, -1))
    if bounds.max_rise is not None:
        findings.append(_margin(measured, bounds.max_rise, 1))
    if bounds.max_ratio is not None:
        findings.append(_ratio(measured, measured.champion, bounds.max_ratio))
    return findings


def _margin(measured: Measured, margin: float, sign: Literal[-1, 1]) -> _Finding:
    """Judge how far the challenger lies on the bad side: `sign` times the difference, with its interval."""
    word = "rise" if sign > 0 else "drop"
    if measured.difference is None or not math.isfinite(measured.difference):
        return _Finding("error", "the difference from the champion is no number")
    worse = sign * measured.difference
    span = measured.difference_span
    if span is None:
        return _bound(worse <= margin, f"{word} {number(worse)} from the champion, allowed {margin:g}")
    ends = sorted((sign * span.low, sign * span.high))
    if not all(math.isfinite(end) for end in ends):
        return _Finding("error", "the difference from the champion has no interval")
    side = "worse" if worse > 0 else "no worse"
    facts = (
        f"{side} than the champion, {word} {number(worse)} ({number(ends[0])} to {number(ends[1])}), allowed {margin:g}"
    )
    if worse > margin:
        return _Finding("fail", facts)
    if ends[1] > margin:
        return _Finding("inconclusive", f"{facts}: the rows cannot exclude more; give more held-out rows")
    return _Finding("pass", facts)


def _ratio(measured: Measured, champion: float, most: float) -> _Finding:
    if champion <= 0:
        return _Finding("error", f"the champion's {number(champion)} gives no ratio")
    ratio = measured.value / champion
    return _bound(ratio <= most, f"{ratio:.2f} times the champion's {number(champion)}, allowed {most:g}")


def number(value: float) -> str:
    """A value in as many digits as tell something."""
    if float(value).is_integer():
        return f"{value:.0f}"
    if abs(value) < _SMALL:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.1f}"
