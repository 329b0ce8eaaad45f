"""From measures and rules to what a window is: healthy, drift, a matter of quality or of service, or quiet. Pure.

The data are judged first: where they cannot be believed, nothing that rests on them is, and nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mlops.monitoring.measures import Measurements
from mlops.settings.monitoring import CATALOGUE, MonitorFile, Section, section_of
from mlops.settings.rules import Rule
from mlops.settings.stages import StageName
from mlops.settings.verdict import Comparison, Outcome, check
from model_package.errors import MeasurementError, NoData
from model_package.measures import Measure

State = Literal["healthy", "quiet", "drift", "quality", "service"]
_RELEASE: Final = Comparison("its evaluation", "the rows of the window", "inferiority")
_BROKEN: Final = ("fail", "error")
_MODEL_SECTIONS: Final[tuple[Section, ...]] = ("drift", "performance", "fairness")


@dataclass(frozen=True)
class MonitorVerdict:
    """What a window is, every rule's outcome, and the broken rules that a newer model can mend."""

    state: State
    outcomes: tuple[Outcome, ...]
    retrainable: tuple[str, ...]

    @property
    def retrain(self) -> bool:
        """Whether a model trained on newer data is asked for."""
        return bool(self.retrainable)

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """The rules that are broken; where the data cannot be believed, only those on the data and the service."""
        return tuple(each for each in self.outcomes if each.outcome in _BROKEN and self.trusts(each))

    def trusts(self, outcome: Outcome) -> bool:
        """Whether an outcome means something."""
        return self.state != "quality" or section_of(outcome.rule.measure) not in _MODEL_SECTIONS


def judge_window(
    rules: MonitorFile, stage: StageName, measurements: Measurements, service: Mapping[str, Measure]
) -> MonitorVerdict:
    """Judge a window by all rules of its stage; none ends the others."""
    measures = {**measurements.measured(), **service}
    outcomes = tuple(_check(rule, measures, measurements) for rule in rules.rules_at(stage))
    broken = {section_of(each.rule.measure) for each in outcomes if each.outcome in _BROKEN}
    state = _state(broken, is_quiet=measurements.rows < rules.measuring.min_rows)
    return MonitorVerdict(state, outcomes, _retrainable(outcomes, rules.retrain_on, state))


def _check(rule: Rule, measures: Mapping[str, Measure], measurements: Measurements) -> Outcome:
    # Of an empty window nobody asks more than that it is empty.
    missing = MeasurementError("the job did not measure it") if measurements.rows else NoData("there are no rows")
    absent = Measure.failed(missing)
    return check(rule, measures.get(rule.measure, absent), CATALOGUE.kind(rule.measure), _RELEASE)


def _state(broken: set[Section], *, is_quiet: bool) -> State:
    if "quality" in broken:
        return "quality"
    if broken.intersection(_MODEL_SECTIONS):
        return "drift"
    if "service" in broken:
        return "service"
    return "quiet" if is_quiet else "healthy"


def _retrainable(outcomes: Sequence[Outcome], asked: Sequence[str], state: State) -> tuple[str, ...]:
    if state != "drift":
        return ()
    return tuple(each.rule.measure for each in outcomes if each.outcome == "fail" and each.rule.measure in asked)
