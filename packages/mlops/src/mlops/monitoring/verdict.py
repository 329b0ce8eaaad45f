"""From measures and rules to the verdict on a window: healthy, drift, quality, service, or not measured. Pure: no I/O.

The data are judged first: where they cannot be trusted, no measure that rests on them is, and no retraining follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mlops.settings.monitoring import MonitorFile, Section, catalogue, section_of
from mlops.settings.rules import Rule
from mlops.settings.stages import StageName
from mlops.settings.verdict import Comparison, Outcome, check
from model_package.errors import MeasurementError
from model_package.measures import Measure
from model_package.monitoring.findings import Findings

State = Literal["healthy", "not measured", "drift", "quality", "service"]
_RELEASE: Final = Comparison("its evaluation", "the rows of the window", "inferiority")
_BROKEN: Final = ("fail", "error")
_MODEL_SECTIONS: Final[tuple[Section, ...]] = ("drift", "performance", "fairness")


@dataclass(frozen=True)
class MonitorVerdict:
    """The state of a window, every rule's outcome, and the broken rules that a newer model can fix."""

    state: State
    outcomes: tuple[Outcome, ...]
    retrainable: tuple[str, ...]

    @property
    def retrain(self) -> bool:
        """Whether a model trained on newer data would help."""
        return bool(self.retrainable)

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """The rules that are broken; where the data cannot be trusted, only those on the data and the service."""
        return tuple(each for each in self.outcomes if each.outcome in _BROKEN and self.trusts(each))

    def trusts(self, outcome: Outcome) -> bool:
        """Whether the data that an outcome rests on can be trusted."""
        return self.state != "quality" or section_of(outcome.rule.measure) not in _MODEL_SECTIONS


def judge_window(
    rules: MonitorFile, stage: StageName, findings: Findings, service: Mapping[str, Measure]
) -> MonitorVerdict:
    """Judge a window by all rules of its stage; a broken one does not end the others."""
    measures = {**findings.measures, **service}
    outcomes = tuple(_check(rule, measures, findings) for rule in rules.rules_at(stage))
    broken = {section_of(each.rule.measure) for each in outcomes if each.outcome in _BROKEN}
    if not findings.rows:
        # Without a row there are no data that could be right or wrong, nor drift: nothing was measured.
        broken -= {section for section in broken if section != "service"}
    state = _state(broken, is_measured=findings.rows >= rules.measuring.min_rows)
    return MonitorVerdict(state, outcomes, _retrainable(outcomes, rules.retrain_on, state))


def _check(rule: Rule, measures: Mapping[str, Measure], findings: Findings) -> Outcome:
    # Of an empty window only its number of rows is measured.
    missing = MeasurementError("the job did not measure it")
    absent = Measure.failed(missing) if findings.rows else Measure.nothing("there are no rows")
    measure = measures.get(rule.measure, absent)
    return check(rule, measure, catalogue().kind(rule.measure), _RELEASE)


def _state(broken: set[Section], *, is_measured: bool) -> State:
    if "quality" in broken:
        return "quality"
    if broken.intersection(_MODEL_SECTIONS):
        return "drift"
    if "service" in broken:
        return "service"
    return "healthy" if is_measured else "not measured"


def _retrainable(outcomes: Sequence[Outcome], retrain_on: Sequence[str], state: State) -> tuple[str, ...]:
    if state != "drift":
        return ()
    return tuple(each.rule.measure for each in outcomes if each.outcome == "fail" and each.rule.measure in retrain_on)
