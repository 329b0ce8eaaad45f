"""What a window came to, as people and programs are told it. Pure: no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from mlops.monitoring.measuring import Results
from mlops.monitoring.request import MonitoringRequest
from mlops.monitoring.verdict import MonitorVerdict
from mlops.settings.monitoring import CATALOGUE, section_of
from mlops.settings.verdict import Outcome, number
from model_package.measures import Measure

UNTRUSTED: Final = "untrusted"
_NAMED: Final = 3


@dataclass(frozen=True)
class Row:
    """One rule as people read it; "-" stands where there is nothing."""

    section: str
    title: str
    now: str
    release: str
    interval: str
    threshold: str
    outcome: str
    sentence: str
    why: str


@dataclass(frozen=True)
class Monitored:
    """A window, what was measured in it, and the verdict."""

    request: MonitoringRequest
    model: str
    results: Results
    service: dict[str, Measure]
    verdict: MonitorVerdict

    @property
    def moved(self) -> tuple[str, ...]:
        """The features that moved, what weighs most first."""
        return tuple(each.name for each in self.results.measurements.features if each.drifted)

    @property
    def headline(self) -> str:
        """The verdict in one sentence; names in it are unescaped."""
        stage, model = self.request.stage_name, f"{self.model} {self.request.live.version}"
        rows = f"{self.results.measurements.rows:,} rows"
        broken = len(self.verdict.broken)
        kept = f"{broken} of {len(self.verdict.outcomes)} rules are broken"
        match self.verdict.state:
            case "healthy":
                return f"HEALTHY: {model} in {stage}, no rule is broken on {rows}"
            case "quiet":
                return f"QUIET: {rows} of {model} in {stage} are too few to say anything"
            case "drift":
                return f"DRIFT: what {model} meets in {stage} has changed, {kept} on {rows}"
            case "quality":
                return f"QUALITY: the data of {model} in {stage} cannot be believed, {kept} on {rows}"
            case "service":
                return f"SERVICE: {model} in {stage} does not answer as it should, {kept}"

    @property
    def advice(self) -> str:
        """What to do next."""
        match self.verdict.state:
            case "quality" | "quiet" if not self.results.measurements.rows:
                return "Nothing was collected in this window; `--to now` includes the present hour."
            case "drift" if self.verdict.retrain:
                return "A model trained on newer data is asked for; look first at what moved."
            case "drift":
                return "A newer model would not mend this; look at what moved, and at who is treated differently."
            case "quality":
                return "Correct what sends or collects the data; no model is trained on data like these."
            case "service":
                return f"`mlops status --stage {self.request.stage_name}`, and the logs of the live deployment."
            case _:
                return ""

    @property
    def reason(self) -> str:
        """The headline, with the rules that are broken and what moved."""
        broken = ", ".join(each.rule.measure for each in self.verdict.broken)
        moved = f"; moved: {', '.join(self.moved[:_NAMED])}" if self.moved and self.verdict.state == "drift" else ""
        return f"{self.headline}: {broken}{moved}" if broken else self.headline

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every rule, in the order of the file."""
        return tuple(self._row(outcome) for outcome in self.verdict.outcomes)

    def outcome_of(self, outcome: Outcome) -> str:
        """How a rule came out; what rests on data that cannot be believed is not trusted."""
        return outcome.outcome if self.verdict.trusts(outcome) or outcome.observed is None else UNTRUSTED

    def measured(self) -> dict[str, Measure]:
        """Every measure."""
        return self.results.measurements.measured() | self.service

    def document(self) -> dict[str, Any]:
        """Everything as one JSON object; null stands where a value is not defined."""
        window, live = self.request.window, self.request.live
        return {
            "stage": self.request.stage_name,
            "state": self.verdict.state,
            "retrain": list(self.verdict.retrainable),
            "headline": self.headline,
            "advice": self.advice,
            "window": {"since": window.since.isoformat(), "until": window.until.isoformat()},
            "model": {"name": self.model, "version": live.version, "digest": live.digest},
            "job": self.results.job,
            "moved": list(self.moved),
            "rules": [self._judged(each) for each in self.verdict.outcomes],
            "measurements": self.results.measurements.model_dump(mode="json"),
        }

    def _judged(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "measure": outcome.rule.measure,
            "section": section_of(outcome.rule.measure),
            "outcome": self.outcome_of(outcome),
            "observed": outcome.observed,
            "bound": outcome.bound,
            "sentence": outcome.sentence,
            "why": outcome.rule.why,
        }

    def _row(self, outcome: Outcome) -> Row:
        measured = self.measured().get(outcome.rule.measure, Measure())
        interval = measured.difference_interval
        return Row(
            section=section_of(outcome.rule.measure),
            title=CATALOGUE.title(outcome.rule.measure),
            now=_shown(outcome.observed),
            release=_shown(measured.reference),
            interval=f"{number(interval.low)} to {number(interval.high)}" if interval else "-",
            threshold=outcome.bound,
            outcome=self.outcome_of(outcome),
            sentence=outcome.sentence,
            why=outcome.rule.why,
        )


def _shown(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else number(value)
