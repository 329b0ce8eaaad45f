"""A task with the metrics of extensions/ beside its own: gates, evaluation and monitoring see no difference. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_package.tasks.extensions import METRICS_FILE, call
from model_package.tasks.task import Metric, Task

if TYPE_CHECKING:
    from model_package.statistics.weighted_sums import Scored, Values
    from model_package.tasks.task import Column, Doubles, Floats, Mask


@dataclass(frozen=True, slots=True)
class _ScoredToo:
    """Rows prepared for weightings, with the metrics of a fork: each is called once per weighting."""

    scored: Scored
    target: Doubles
    answer: Floats
    metrics: tuple[Metric, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.scored.rows

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings]."""
        import numpy as np

        values = self.scored.measure(weights)
        for each in self.metrics:
            found = [self._value(each, row) for row in weights]
            values[each.name] = np.array(found, dtype=np.float64)
        return values

    def _value(self, metric: Metric, weights: Floats) -> float:
        if metric.function is None:
            return float("nan")
        return call(METRICS_FILE, metric.name, metric.function, self.target, self.answer, weights)


def with_metrics(task: type[Task], added: tuple[Metric, ...]) -> type[Task]:
    """Return a task that also measures these metrics."""
    if not added:
        return task

    def prepare(
        self: Task, target: Column, answer: Floats, bins: int = 10, slices: Mapping[str, Mask] | None = None
    ) -> Scored:
        import numpy as np

        scored = task.prepare(self, target, answer, bins, slices)
        return _ScoredToo(scored, np.asarray(target, dtype=np.float64), answer, added)

    return type(task.__name__, (task,), {"metrics": (*task.metrics, *added), "prepare": prepare})
