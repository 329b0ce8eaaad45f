"""Judge a measure by its rule: an outcome with a sentence. Pure: no I/O. What outcomes mean together, callers decide.

What cannot be judged never passes: a measure that is missing, broken or not a number, or a comparison without the other
value. Where the rule says `no_champion: pass` or `missing: pass` it does not block either: it is "not measured".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from mlops.settings.rules import MeasureKind, Policy, Rule
from model_package.measures import Measure

Result = Literal["pass", "not measured", "fail", "inconclusive", "error"]
NOT_MEASURED: Final = "not measured"
NOT_BLOCKING: Final = ("pass", NOT_MEASURED)
_SEVERITY: Final[dict[Result, int]] = {"not measured": 0, "pass": 1, "inconclusive": 2, "fail": 3, "error": 4}
# Outside these, four decimals show nothing, or nothing more.
_SMALL: Final = 0.001
# Below this a number has so many zeros that powers of ten read better.
_TINY: Final = 1e-6
_LARGE: Final = 100


@dataclass(frozen=True)
class Outcome:
    """The result of one rule: the value observed (None when there is none), its bounds, and one sentence.

    `room` is the share of its nearest bound that is left, 0 at the bound; None where none is measured or it is 0.
    """

    rule: Rule
    outcome: Result
    observed: float | None
    bound: str
    sentence: str
    room: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the measure does not break this rule."""
        return self.outcome in NOT_BLOCKING


@dataclass(frozen=True)
class _Finding:
    result: Result
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """What measures are compared with: `name` in sentences, and why it is `absent` ("" if it is not).

    `rows` names what was measured. `test` is how the confidence interval of a difference is judged by its margin:
    "non_inferiority" passes only when the whole interval keeps the margin, as a gate must; "inferiority" fails only
    when the whole interval lies beyond the margin, as an alarm must.
    """

    name: str
    rows: str
    test: Literal["non_inferiority", "inferiority"]
    absent: str = ""


def not_measured(rule: Rule, reason: str) -> Outcome:
    """The outcome of a rule that does not apply to a stage: it neither passes nor blocks."""
    return Outcome(rule, "not measured", None, bound_text(rule), reason)


def check(rule: Rule, measured: Measure, kind: MeasureKind, against: Comparison) -> Outcome:
    """Judge one rule."""
    findings = _findings(rule, measured, kind, against)
    worst = max((finding.result for finding in findings), key=lambda result: _SEVERITY[result])
    sentences = [finding.sentence for finding in findings if finding.result == worst or finding.result != "pass"]
    observed = measured.value if measured.state == "measured" and math.isfinite(measured.value) else None
    room = None if observed is None or worst == "not measured" else _room(rule, measured)
    return Outcome(rule, worst, observed, bound_text(rule), "; ".join(sentences), room)


def bound_text(rule: Rule) -> str:
    """Return the rule's bounds as text for people."""
    bounds = rule.bounds
    texts = [
        _bound_text("≥ ", bounds.min),
        _bound_text("≤ ", bounds.max),
        _bound_text("drop ≤ ", bounds.max_drop),
        _bound_text("rise ≤ ", bounds.max_rise),
        _bound_text("ratio ≤ ", bounds.max_ratio),
    ]
    return ", ".join(text for text in texts if text)


def _room(rule: Rule, measured: Measure) -> float | None:
    """The share of the nearest bound that is left. Exact bounds of 0 say nothing here: they are kept or broken."""
    bounds, value, difference = rule.bounds, measured.value, measured.difference
    interval = measured.difference_interval
    low, high = (interval.low, interval.high) if interval else (difference, difference)
    reference = measured.reference
    pairs = (
        (bounds.min, None if bounds.min is None else value - bounds.min),
        (bounds.max, None if bounds.max is None else bounds.max - value),
        (bounds.max_drop, None if bounds.max_drop is None or low is None else bounds.max_drop + low),
        (bounds.max_rise, None if bounds.max_rise is None or high is None else bounds.max_rise - high),
        (bounds.max_ratio, None if bounds.max_ratio is None or not reference else bounds.max_ratio - value / reference),
    )
    shares = [left / abs(bound) for bound, left in pairs if bound and left is not None and math.isfinite(left)]
    return min(shares, default=None)


def _bound_text(prefix: str, bound: float | None) -> str:
    return "" if bound is None else f"{prefix}{_written(bound)}"


def _findings(rule: Rule, measured: Measure, kind: MeasureKind, against: Comparison) -> list[_Finding]:
    if kind.needs_champion and against.absent:
        return [_unmeasured(rule.no_champion, f"nothing to compare with: {against.absent}")]
    if measured.state == "nothing":
        return [_unmeasured(rule.missing, f"not measured: {measured.reason}")]
    if measured.state == "broken":
        return [_Finding("error", f"cannot be measured: {measured.reason}")]
    if not math.isfinite(measured.value):
        return [_Finding("error", f"is not a number: it is undefined for {against.rows} (only one class?)")]
    return [*_absolute(rule, measured), *_relative(rule, measured, against)]


def _unmeasured(policy: Policy, sentence: str) -> _Finding:
    return _Finding("not measured" if policy == "pass" else policy, sentence)


def _absolute(rule: Rule, measured: Measure) -> list[_Finding]:
    findings = []
    value, shown = measured.value, number(measured.value)
    details = f" ({'; '.join(measured.details)})" if measured.details else ""
    low, high = rule.bounds.min, rule.bounds.max
    if low is not None:
        kept = value >= low
        findings.append(_bound(kept, f"{shown} is {'at least' if kept else 'below'} {_written(low)}{details}"))
    if high is not None:
        kept = value <= high
        findings.append(_bound(kept, f"{shown} is {'at most' if kept else 'above'} {_written(high)}{details}"))
    return findings


def _bound(kept: bool, sentence: str) -> _Finding:  # noqa: FBT001 - the sentence beside it names it
    return _Finding("pass" if kept else "fail", sentence)


def _relative(rule: Rule, measured: Measure, against: Comparison) -> list[_Finding]:
    bounds = rule.bounds
    if not bounds.relative:
        return []
    if against.absent:
        return [_unmeasured(rule.no_champion, f"not compared: {against.absent}")]
    if measured.reference is None or not math.isfinite(measured.reference):
        problem = measured.reference_problem or "its value is not a number"
        return [_Finding("error", f"{against.name} cannot be measured: {problem}")]
    findings = []
    if bounds.max_drop is not None:
        findings.append(_margin(measured, bounds.max_drop, -1, against))
    if bounds.max_rise is not None:
        findings.append(_margin(measured, bounds.max_rise, 1, against))
    if bounds.max_ratio is not None:
        findings.append(_ratio(measured, measured.reference, bounds.max_ratio, against))
    return findings


def _margin(measured: Measure, margin: float, sign: Literal[-1, 1], against: Comparison) -> _Finding:
    """Judge how much worse the value is: `sign` times the difference, with its interval."""
    word = "rise" if sign > 0 else "drop"
    if measured.difference is None or not math.isfinite(measured.difference):
        return _Finding("error", f"the difference from {against.name} is not a number")
    worse = sign * measured.difference
    interval = measured.difference_interval
    if interval is None:
        return _bound(worse <= margin, f"{word} {number(worse)} from {against.name}, allowed {_written(margin)}")
    low, high = sorted((sign * interval.low, sign * interval.high))
    if not (math.isfinite(low) and math.isfinite(high)):
        return _Finding("error", f"the difference from {against.name} has no interval")
    side = "worse" if worse > 0 else "no worse"
    interval = f"{number(low)} to {number(high)}"
    facts = f"{side} than {against.name}, {word} {number(worse)} ({interval}), allowed {_written(margin)}"
    if against.test == "inferiority":
        return _inferiority(worse, low, margin, facts)
    return _non_inferiority(worse, high, margin, facts)


def _non_inferiority(worse: float, upper: float, margin: float, facts: str) -> _Finding:
    if worse > margin:
        return _Finding("fail", facts)
    if upper > margin:
        return _Finding("inconclusive", f"{facts}: the rows cannot rule out a larger difference; use more rows")
    return _Finding("pass", facts)


def _inferiority(worse: float, lower: float, margin: float, facts: str) -> _Finding:
    if lower > margin:
        return _Finding("fail", facts)
    if worse > margin:
        return _Finding("inconclusive", f"{facts}: chance alone may explain it; wait for more rows")
    return _Finding("pass", facts)


def _ratio(measured: Measure, reference: float, highest: float, against: Comparison) -> _Finding:
    if reference <= 0:
        return _Finding("error", f"the {number(reference)} of {against.name} gives no ratio")
    ratio = measured.value / reference
    return _bound(ratio <= highest, f"{ratio:.2f} times the {number(reference)} of {against.name}, allowed {highest:g}")


def _written(bound: float) -> str:
    """A bound as it is written in YAML, without powers of ten."""
    return number(bound) if _TINY <= abs(bound) < _SMALL else f"{bound:g}"


def number(value: float) -> str:
    """A value with as many digits as are meaningful."""
    if float(value).is_integer():
        # Not "-0".
        return f"{int(value)}"
    if _TINY <= abs(value) < _SMALL:
        return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}".rstrip("0")
    if abs(value) < _TINY:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.1f}"
