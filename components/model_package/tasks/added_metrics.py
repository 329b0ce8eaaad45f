"""A task with the metrics of extensions/ beside its own: gates, evaluation and monitoring see no difference. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model_package.errors import ExtensionError
from model_package.tasks.extensions import METRICS_FILE, BatchedFunction, call
from model_package.tasks.task import Metric, Task

if TYPE_CHECKING:
    from model_package.statistics.bootstrap import Bootstrap, Comparison
    from model_package.statistics.weighted_sums import Scored, Values
    from model_package.tasks.task import Column, Doubles, Floats, Mask


@dataclass(frozen=True, slots=True)
class _ScoredToo:
    """Rows prepared for weightings, with the metrics of a fork: each is called once per weighting.

    What one cannot measure goes into `failures` as it is NaN, and is raised where there are none.
    """

    scored: Scored
    target: Doubles
    answer: Floats
    metrics: tuple[Metric, ...]
    failures: dict[str, ExtensionError] | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.scored.rows

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings]."""
        import numpy as np

        values = self.scored.measure(weights)
        for each in self.metrics:
            try:
                values[each.name] = self._values(each, weights)
            except ExtensionError as error:
                if self.failures is None:
                    raise
                self.failures[each.name] = error
                values[each.name] = np.full(len(weights), np.nan)
        return values

    def _values(self, metric: Metric, weights: Floats) -> Doubles:
        import numpy as np

        function = metric.function
        if function is None:
            return np.full(len(weights), np.nan)
        if isinstance(function, BatchedFunction):
            return function.measure(self.target, self.answer, weights)
        found = [call(METRICS_FILE, metric.name, function, self.target, self.answer, row) for row in weights]
        return np.array(found, dtype=np.float64)


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


def compare_with_failures(
    challenger: Scored, champion: Scored | None, settings: Bootstrap
) -> tuple[dict[str, Comparison], dict[str, ExtensionError]]:
    """Compare two models as statistics.bootstrap does; metrics of extensions/ that fail are NaN, with the reason."""
    from model_package.statistics.bootstrap import compare

    failures: dict[str, ExtensionError] = {}

    def noting(scored: Scored) -> Scored:
        return replace(scored, failures=failures) if isinstance(scored, _ScoredToo) else scored

    against = None if champion is None else noting(champion)
    return compare(noting(challenger), against, settings), failures
