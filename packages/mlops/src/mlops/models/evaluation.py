"""The metrics of a model package: values with their confidence intervals, read from evaluation.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.core.errors import JobFailed
from mlops.models.package import EVALUATION_FILE, read_document


@dataclass(frozen=True)
class Metric:
    """A value, with the interval it lies in where one was computed."""

    value: float
    low: float | None = None
    high: float | None = None

    def sentence(self) -> str:
        """The value in a few words."""
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f}  ({self.low:.4f} to {self.high:.4f})"


def read_metrics(package: Path) -> dict[str, Metric]:
    """The metrics by name, in the order of the file. Raises JobFailed when the file does not hold any."""
    metrics = read_document(package, EVALUATION_FILE).get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        raise JobFailed(f"{EVALUATION_FILE} of the model package has no metrics")
    return {str(name): _metric(str(name), value) for name, value in metrics.items()}


def _metric(name: str, value: Any) -> Metric:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Metric(float(value))
    try:
        return Metric(float(value["value"]), value.get("low"), value.get("high"))
    except (TypeError, KeyError, ValueError) as error:
        raise JobFailed(f"metric {name} in {EVALUATION_FILE} of the model package is no number") from error
