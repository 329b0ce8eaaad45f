"""The task of regression: one number per row, in the unit of the target. Pure: no I/O.

Loads no numpy by itself. Its metrics are in statistics/regression_metrics.py. Tolerances are relative: a difference
counts in units of the answer where that is larger than 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from model_package.errors import ModelError
from model_package.measures import Measure
from model_package.schema import REGRESSION
from model_package.tasks.task import (
    Chart,
    ColumnKind,
    Metric,
    SliceMetric,
    SubgroupRate,
    Task,
    Words,
    number,
    rate_with_error,
)

if TYPE_CHECKING:
    from model_package.evaluation import CalibrationBin, Evaluation, SubgroupEvaluation
    from model_package.statistics.weighted_sums import Scored
    from model_package.tasks.task import Column, Doubles, Floats, Mask, Predictions

PREDICTION = "prediction"
_ADVICE = "evaluate this model again, and roll back where it serves"


class Regression(Task):
    """One finite number per row, float64 [rows]."""

    name = REGRESSION
    base = REGRESSION
    words = Words("regressor", "regression", "normalized_root_mean_squared_error")
    output = PREDICTION
    represented_as = PREDICTION
    metrics: ClassVar = (
        Metric(
            "root_mean_squared_error",
            "Root mean squared error",
            "lower",
            meaning="typical error in the target's unit; large errors count most",
        ),
        Metric("mean_absolute_error", "Mean absolute error", "lower", meaning="mean error in the target's unit"),
        Metric(
            "r2",
            "R²",
            "higher",
            meaning="share of the target's variance that is explained; 0 is as good as always answering the mean",
            undefined="all rows have the same target",
        ),
        Metric(
            "mean_absolute_percentage_error",
            "Mean absolute percentage error",
            "lower",
            meaning="mean error as a share of the target",
            undefined="the target is 0 in some rows",
        ),
        Metric(
            "bias",
            "Bias",
            "none",
            gated=False,
            monitored=False,
            meaning="mean of prediction minus target: above 0 it predicts too much",
        ),
    )
    slice_metrics: ClassVar = (
        SliceMetric(
            "bias_difference",
            "Bias difference",
            rate="bias",
            evaluated_as="bias",
            explained="Bias: mean of prediction minus outcome.",
            share=False,
        ),
    )
    change = Metric("mean_prediction_change", "Change in the mean prediction (standard deviations)", "lower")
    main_metric = "r2"
    explained_as = PREDICTION
    subgroup_metrics: ClassVar = tuple(each.name for each in metrics)
    subgroup_fact_titles: ClassVar = {"mean_target": "Mean target", "mean_prediction": "Mean prediction"}
    charts: ClassVar = (
        Chart("Outcome by decile of the prediction", "mean prediction", "mean outcome", None, dots=True),
    )

    @property
    def outcomes(self) -> str:
        """Any finite number."""
        return "a finite number"

    @property
    def numeric_outcomes(self) -> bool:
        """They are numbers."""
        return True

    def encode(self, values: Column) -> Doubles:
        """Return the numbers; NaN for what is none."""
        import numpy as np

        numbers = np.array([number(each) for each in values.tolist()]) if values.dtype.kind not in "biuf" else values
        return np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float64)

    def class_counts(self, target: Column) -> dict[str, int]:
        """Return nothing: there are no classes."""
        return {}

    def positives(self, target: Column) -> int:
        """Return all rows: each of them says something of the bias."""
        return len(target)

    def checked_answer(self, answer: Any, rows: int) -> Doubles:
        """Return the predictions. Raises ModelError unless it is one finite number per row."""
        import numpy as np

        prediction = np.asarray(answer, dtype=np.float64)
        if prediction.shape not in ((rows, 1), (rows,)):
            raise ModelError(
                f"the model answered {list(prediction.shape)} for {rows} rows, not one number per row; {_ADVICE}"
            )
        prediction = prediction.reshape(-1)
        wrong = rows - int(np.count_nonzero(np.isfinite(prediction)))
        if wrong:
            raise ModelError(
                f"`{PREDICTION}` must be a finite number, and is not for {wrong} of {rows} rows; {_ADVICE}"
            )
        return prediction

    def predictions(self, answer: Doubles) -> list[dict[str, Any]]:
        """Return the number of each row."""
        return [{PREDICTION: value} for value in answer.tolist()]

    def columns(self, answer: Doubles) -> dict[str, Column]:
        """Return the predictions."""
        return {PREDICTION: answer}

    @property
    def column_kinds(self) -> dict[str, ColumnKind]:
        """One number."""
        return {PREDICTION: "number"}

    @property
    def column_limits(self) -> None:
        """Any finite number."""
        return

    def answer_of(self, columns: Mapping[str, Column]) -> Doubles:
        """Return the predictions as they were collected."""
        return columns[PREDICTION]

    def recorded_answer(self, values: Mapping[str, Sequence[Any]]) -> Doubles:
        """Return the recorded predictions."""
        import numpy as np

        return np.asarray(values[PREDICTION], dtype=np.float64)

    def decisions(self, answer: Doubles) -> list[Any]:
        """Return nothing for each row."""
        return [None] * len(answer)

    def represent(self, answer: Floats) -> Floats:
        """Return the predictions."""
        return answer

    def explained(self, answer: Doubles, row: Doubles) -> Doubles:
        """Return the predictions."""
        return answer

    def described(self, prediction: Mapping[str, Any]) -> str:
        """Return the prediction."""
        return f"prediction {prediction[PREDICTION]:.6g}"

    def distances(self, expected: Doubles, found: Doubles) -> Doubles:
        """Return the differences, relative to each expected answer that is larger than 1."""
        import numpy as np

        return np.abs(found - expected) / np.maximum(1.0, np.abs(expected))

    def prepare(
        self, target: Column, answer: Floats, bins: int = 10, slices: Mapping[str, Mask] | None = None
    ) -> Scored:
        """Prepare rows for weightings."""
        from model_package.statistics.regression_metrics import prepare

        return prepare(target, answer, slices)

    def calibration(self, target: Column, answer: Doubles, bins: int) -> tuple[CalibrationBin, ...]:
        """Compare the mean prediction with the mean outcome."""
        from model_package.statistics.curves import calibration

        return calibration(target, answer, bins)

    def facts(self, target: Column) -> dict[str, float]:
        """Return mean and standard deviation of the target."""
        return {"mean_target": float(target.mean()), "standard_deviation_target": float(target.std())}

    def subgroup_facts(self, target: Column, answer: Doubles) -> dict[str, float | None]:
        """Return the mean target and the mean prediction."""
        return {
            "mean_target": float(target.mean()) if len(target) else None,
            "mean_prediction": float(answer.mean()) if len(target) else None,
        }

    def rate(self, metric: SliceMetric, answer: Floats, target: Column | None) -> SubgroupRate:
        """Return the bias, with its standard error."""
        rows = len(answer)
        if target is None or not rows:
            return SubgroupRate(0.0, 0, 0.0)
        apart = answer - target
        return SubgroupRate(float(apart.mean()), rows, float(apart.std()) / math.sqrt(rows))

    def rate_before(self, metric: SliceMetric, stated: SubgroupEvaluation) -> SubgroupRate | None:
        """Return the bias, with the standard error that its interval says."""
        return rate_with_error(metric, stated)

    def prediction_change(self, answer: Floats, evaluation: Evaluation, training: Predictions) -> Measure:
        """Measure how far the mean prediction is from training's, in standard deviations of training's."""
        known, now = training, float(answer.mean())
        scale = known.std or max(1.0, abs(known.mean))
        return Measure(abs(now - known.mean) / scale, details=(f"{now:.4g} now, {known.mean:.4g} before",))

    def draw(self, chart: Chart, target: Column, answer: Doubles) -> tuple[Doubles, Doubles]:
        """Return mean prediction and mean outcome by decile of the prediction."""
        import numpy as np

        bins = self.calibration(target, answer, 10)
        return np.array([each.predicted for each in bins]), np.array([each.observed for each in bins])
