"""Turns a measure and its rule into an outcome with a sentence. Pure: no I/O. The caller combines outcomes into a
verdict.

What cannot be judged never passes: a measure that is missing, broken or not a number, or a comparison without the other
value. The two exceptions must be written in the rule: `no_champion: pass` and `missing: pass`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from mlops.settings.measures import Measured, MeasureKind
from mlops.settings.rules import Rule

Result = Literal["pass", "fail", "inconclusive", "error"]
_SEVERITY: Final[dict[Result, int]] = {"pass": 0, "inconclusive": 1, "fail": 2, "error": 3}
# Outside these, four decimals show nothing, or nothing more.
_SMALL: Final = 0.001
_LARGE: Final = 100


@dataclass(frozen=True)
class Outcome:
    """The outcome of one rule: the observed value (None if there is none), its bounds, and one sentence."""

    rule: Rule
    outcome: Result
    observed: float | None
    bound: str
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether the rule passed."""
        return self.outcome == "pass"


@dataclass(frozen=True)
class _Finding:
    result: Result
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """What measures are compared with: `name` in sentences, and why it is `absent` ("" if it is not).

    `rows` names what was measured. With `proves` "kept", a rule passes only if the whole interval is within its margin;
    with "broken", it fails only if the whole interval is beyond it: a gate must be sure that a model is good, an alarm
    that it is bad.
    """

    name: str
    rows: str
    proves: Literal["kept", "broken"]
    absent: str = ""


def check(rule: Rule, measured: Measured, kind: MeasureKind, against: Comparison) -> Outcome:
    """Judge one rule."""
    findings = _findings(rule, measured, kind, against)
    worst = max((finding.result for finding in findings), key=lambda result: _SEVERITY[result])
    said = [finding.sentence for finding in findings if finding.result == worst or finding.result != "pass"]
    observed = measured.value if measured.state == "measured" and math.isfinite(measured.value) else None
    return Outcome(rule, worst, observed, bound_text(rule), "; ".join(said))


def bound_text(rule: Rule) -> str:
    """The rule's bounds as text for people."""
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


def _findings(rule: Rule, measured: Measured, kind: MeasureKind, against: Comparison) -> list[_Finding]:
    if kind.needs_champion and against.absent:
        return [_Finding(rule.no_champion, f"nothing to compare with: {against.absent}")]
    if measured.state == "nothing":
        return [_Finding(rule.missing, f"not measured: {measured.reason}")]
    if measured.state == "broken":
        return [_Finding("error", f"cannot be measured: {measured.reason}")]
    if not math.isfinite(measured.value):
        return [_Finding("error", f"is not a number: it is undefined for {against.rows} (only one class?)")]
    return [*_absolute(rule, measured), *_relative(rule, measured, against)]


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


def _relative(rule: Rule, measured: Measured, against: Comparison) -> list[_Finding]:
    bounds = rule.bounds
    if not bounds.relative:
        return []
    if against.absent:
        return [_Finding(rule.no_champion, f"not compared: {against.absent}")]
    if measured.champion is None or not math.isfinite(measured.champion):
        problem = measured.champion_problem or "its value is not a number"
        return [_Finding("error", f"{against.name} cannot be measured: {problem}")]
    findings = []
    if bounds.max_drop is not None:
        findings.append(_margin(measured, bounds.max_drop, -1, against))
    if bounds.max_rise is not None:
        findings.append(_margin(measured, bounds.max_rise, 1, against))
    if bounds.max_ratio is not None:
        findings.append(_ratio(measured, measured.champion, bounds.max_ratio, against))
    return findings


def _margin(measured: Measured, margin: float, sign: Literal[-1, 1], against: Comparison) -> _Finding:
    """Judge how much worse the value is: `sign` times the difference, with its interval."""
    word = "rise" if sign > 0 else "drop"
    if measured.difference is None or not math.isfinite(measured.difference):
        return _Finding("error", f"the difference from {against.name} is not a number")
    worse = sign * measured.difference
    span = measured.difference_span
    if span is None:
        return _bound(worse <= margin, f"{word} {number(worse)} from {against.name}, allowed {margin:g}")
    ends = sorted((sign * span.low, sign * span.high))
    if not all(math.isfinite(end) for end in ends):
        return _Finding("error", f"the difference from {against.name} has no interval")
    side = "worse" if worse > 0 else "no worse"
    facts = (
        f"{side} than {against.name}, {word} {number(worse)} ({number(ends[0])} to {number(ends[1])}), "
        f"allowed {margin:g}"
    )
    if against.proves == "broken":
        return _proven_broken(worse, ends[0], margin, facts)
    if worse > margin:
        return _Finding("fail", facts)
    if ends[1] > margin:
        return _Finding("inconclusive", f"{facts}: the rows cannot rule out a larger difference; use more rows")
    return _Finding("pass", facts)


def _proven_broken(worse: float, least: float, margin: float, facts: str) -> _Finding:
    if least > margin:
        return _Finding("fail", facts)
    if worse > margin:
        return _Finding("inconclusive", f"{facts}: may be due to chance; wait for more rows")
    return _Finding("pass", facts)


def _ratio(measured: Measured, champion: float, most: float, against: Comparison) -> _Finding:
    if champion <= 0:
        return _Finding("error", f"the {number(champion)} of {against.name} gives no ratio")
    ratio = measured.value / champion
    return _bound(ratio <= most, f"{ratio:.2f} times the {number(champion)} of {against.name}, allowed {most:g}")


def number(value: float) -> str:
    """A value with a meaningful number of digits."""
    if float(value).is_integer():
        return f"{value:.0f}"
    if abs(value) < _SMALL:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.1f}"
