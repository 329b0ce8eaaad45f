"""The task of binary classification: P(target = 1) per row, and a decision at the model's threshold. Pure: no I/O.

Loads no numpy by itself. Its metrics are in statistics/binary_metrics.py, its curves in statistics.curves.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from model_package.errors import ModelError
from model_package.measures import Measure
from model_package.schema import BINARY_CLASSIFICATION
from model_package.statistics.threshold import decide
from model_package.tasks.task import (
    Chart,
    ColumnKind,
    Metric,
    SliceMetric,
    SubgroupRate,
    Task,
    Words,
    number,
    outcome_name,
)

if TYPE_CHECKING:
    from model_package.evaluation import CalibrationBin, Evaluation, SubgroupEvaluation
    from model_package.statistics.weighted_sums import Scored
    from model_package.tasks.task import Column, Doubles, Floats, Mask, Predictions

PROBABILITY = "probability"
DECISION = "decision"
_ADVICE = "evaluate this model again, and roll back where it serves"
_PREDICTION_BINS = 20
_SELECTION_RATE = "selection_rate"


class BinaryClassification(Task):
    """One probability per row, float64 [rows]; the target is 0 or 1, or the schema's `positive` and another value."""

    name = BINARY_CLASSIFICATION
    base = BINARY_CLASSIFICATION
    words = Words("classifier", "classification", "AUC_weighted")
    output = PROBABILITY
    represented_as = PROBABILITY
    metrics: ClassVar = (
        Metric(
            "roc_auc",
            "ROC AUC",
            "higher",
            meaning="how often a positive row scores above a negative one; 0.5 is chance",
            undefined="all rows are of one class",
        ),
        Metric(
            "average_precision",
            "Average precision",
            "higher",
            meaning="area under precision and recall; the share of positives is chance",
            undefined="no row is positive",
        ),
        Metric(
            "f1",
            "F1 at the threshold",
            "higher",
            meaning="balance of precision and recall at the threshold",
            undefined="no row is positive, and none is predicted to be",
        ),
        Metric("brier", "Brier score", "lower", meaning="mean squared error of the probability"),
        Metric(
            "calibration_error",
            "Calibration error",
            "lower",
            monitored=False,
            needs_features=False,
            meaning="mean distance of probability and outcome in ten bins",
        ),
        Metric(
            "precision",
            "Precision at the threshold",
            "higher",
            gated=False,
            monitored=False,
            meaning="share of positives among the rows predicted as positive",
            undefined="no row is predicted as positive",
        ),
        Metric(
            "recall",
            "Recall at the threshold",
            "higher",
            gated=False,
            monitored=False,
            meaning="share of the positives that are predicted as positive",
            undefined="no row is positive",
        ),
        Metric(
            _SELECTION_RATE,
            "Selection rate",
            "none",
            gated=False,
            monitored=False,
            meaning="share of all rows predicted as positive",
        ),
    )
    slice_metrics: ClassVar = (
        SliceMetric(
            "selection_rate_difference",
            "Selection rate difference",
            rate=_SELECTION_RATE,
            evaluated_as=_SELECTION_RATE,
            explained="Selection rate: share of rows decided as 1.",
            short_title="Selection rate",
            needs_target=False,
        ),
        SliceMetric(
            "true_positive_rate_difference",
            "True positive rate difference",
            rate="true_positive_rate",
            evaluated_as="recall",
            explained="True positive rate: the same among the positives.",
            short_title="TPR difference",
        ),
    )
    change = Metric("selection_rate_change", "Change in the selection rate", "lower")
    main_metric = "roc_auc"
    decision_key = DECISION
    explained_as = PROBABILITY
    rarest = "positives"
    subgroup_metrics: ClassVar = ("roc_auc", "brier", "f1", "precision", "recall", _SELECTION_RATE)
    subgroup_fact_titles: ClassVar = {"positive_rate": "Share of positives", "mean_prediction": "Mean probability"}
    charts: ClassVar = (
        Chart("ROC curve", "false positive rate", "true positive rate"),
        Chart("Calibration", "predicted", "observed", dots=True),
    )

    @property
    def prediction_edges(self) -> tuple[float, ...]:
        """Even bins from 0 to 1."""
        import numpy as np

        return tuple(np.linspace(0.0, 1.0, _PREDICTION_BINS + 1).tolist())

    @property
    def outcomes(self) -> str:
        """The two values of the target."""
        return "0 or 1" if self.schema.positive is None else f"{self.schema.positive!r} or another value"

    @property
    def numeric_outcomes(self) -> bool:
        """0 and 1 are numbers; the values beside a `positive` are texts."""
        return self.schema.positive is None

    def encode(self, values: Column) -> Doubles:
        """Return 1.0 for the positive value, 0.0 for the other; NaN for what is missing, or neither 0 nor 1."""
        import numpy as np

        positive = self.schema.positive
        if positive is not None:
            names = {outcome_name(positive): 1.0, "None": np.nan, "nan": np.nan}
            return np.array([names.get(outcome_name(each), 0.0) for each in values.tolist()], dtype=np.float64)
        numbers = np.array([number(each) for each in values.tolist()]) if values.dtype.kind not in "biuf" else values
        numbers = numbers.astype(np.float64)
        return np.where((numbers == 0) | (numbers == 1), numbers, np.nan)

    def class_counts(self, target: Column) -> dict[str, int]:
        """Return the rows of outcome 0 and 1."""
        positives = self.positives(target)
        return {"0": len(target) - positives, "1": positives}

    def positives(self, target: Column) -> int:
        """Return how many rows have outcome 1."""
        return int(target.sum())

    def checked_answer(self, answer: Any, rows: int) -> Doubles:
        """Return the probabilities. Raises ModelError unless it is one from 0 to 1 per row."""
        import numpy as np

        probability = np.asarray(answer, dtype=np.float64)
        if probability.shape not in ((rows, 1), (rows,)):
            raise ModelError(
                f"the model answered {list(probability.shape)} for {rows} rows, not one number per row; {_ADVICE}"
            )
        probability = probability.reshape(-1)
        # Comparing one row, as most requests have, as a number takes a tenth of comparing arrays.
        if not (0 <= probability.item() <= 1 if rows == 1 else ((probability >= 0) & (probability <= 1)).all()):
            wrong = int((~((probability >= 0) & (probability <= 1))).sum())
            raise ModelError(
                f"`{PROBABILITY}` must lie from 0 to 1, and does not for {wrong} of {rows} rows; {_ADVICE}"
            )
        return probability

    def predictions(self, answer: Doubles) -> list[dict[str, Any]]:
        """Return the probability and the decision of each row."""
        # As decide() does it, without arrays: most requests have one row, for which they take longer than the model.
        threshold = float(answer.dtype.type(self.schema.threshold))
        return [{PROBABILITY: value, DECISION: int(value >= threshold)} for value in answer.tolist()]

    def columns(self, answer: Doubles) -> dict[str, Column]:
        """Return probability and decision."""
        return {PROBABILITY: answer, DECISION: decide(answer, self.schema.threshold)}

    @property
    def column_kinds(self) -> dict[str, ColumnKind]:
        """A number, and an outcome of 0 or 1."""
        return {PROBABILITY: "number", DECISION: "outcome"}

    @property
    def column_limits(self) -> tuple[float, float]:
        """Probabilities lie from 0 to 1."""
        return (0.0, 1.0)

    def answer_of(self, columns: Mapping[str, Column]) -> Doubles:
        """Return the probabilities as they were collected, in their own precision."""
        return columns[PROBABILITY]

    def recorded_answer(self, values: Mapping[str, Sequence[Any]]) -> Doubles:
        """Return the recorded probabilities."""
        import numpy as np

        return np.asarray(values[PROBABILITY], dtype=np.float64)

    def decisions(self, answer: Doubles) -> list[Any]:
        """Return 0 or 1 for each row."""
        return decide(answer, self.schema.threshold).tolist()

    def represent(self, answer: Floats) -> Floats:
        """Return the probabilities."""
        return answer

    def explained(self, answer: Doubles, row: Doubles) -> Doubles:
        """Return the probabilities."""
        return answer

    def described(self, prediction: Mapping[str, Any]) -> str:
        """Return probability, decision and threshold."""
        found, threshold = prediction[PROBABILITY], self.schema.threshold
        return f"probability {found:.4f}, decision {prediction[DECISION]} (threshold {threshold:g})"

    def prepare(
        self, target: Column, answer: Floats, bins: int = 10, slices: Mapping[str, Mask] | None = None
    ) -> Scored:
        """Prepare rows for weightings, decided at the model's threshold."""
        from model_package.statistics.binary_metrics import prepare

        return prepare(target, answer, self.schema.threshold, bins, slices)

    def calibration(self, target: Column, answer: Doubles, bins: int) -> tuple[CalibrationBin, ...]:
        """Compare predicted with observed rates."""
        from model_package.statistics.curves import calibration

        return calibration(target, answer, bins)

    def facts(self, target: Column) -> dict[str, float]:
        """Return the share of positives, and the threshold."""
        return {"positive_rate": float(target.mean()), "threshold": self.schema.threshold}

    def reply_facts(self) -> dict[str, float]:
        """Return the threshold."""
        return {"threshold": self.schema.threshold}

    def subgroup_facts(self, target: Column, answer: Doubles) -> dict[str, float | None]:
        """Return the share of positives, and the mean probability."""
        return {
            "positive_rate": float(target.mean()) if len(target) else None,
            "mean_prediction": float(answer.mean()) if len(target) else None,
        }

    def rate(self, metric: SliceMetric, answer: Floats, target: Column | None) -> SubgroupRate:
        """Return the share decided as 1, among all rows or among the positives."""
        decided = decide(answer, self.schema.threshold)
        if metric.needs_target and target is not None:
            decided = decided[target == 1]
        rows = len(decided)
        return SubgroupRate(float(decided.sum() / rows) if rows else 0.0, rows)

    def rate_before(self, metric: SliceMetric, stated: SubgroupEvaluation) -> SubgroupRate | None:
        """Return the rate, over the rows that it is a share of."""
        rate = stated.metrics[metric.evaluated_as].value
        if rate is None:
            return None
        positives = round(stated.rows * (stated.facts.get("positive_rate") or 0.0))
        return SubgroupRate(rate, positives if metric.needs_target else stated.rows)

    def prediction_change(self, answer: Floats, evaluation: Evaluation, training: Predictions) -> Measure:
        """Measure how far the selection rate is from the evaluation's."""
        rate = float(decide(answer, self.schema.threshold).mean())
        stated = evaluation.estimate(_SELECTION_RATE).value
        if stated is None:
            return Measure.nothing("the evaluation states no selection rate")
        return Measure(abs(rate - stated), details=(f"{100 * rate:.1f} % now, {100 * stated:.1f} % before",))

    def draw(self, chart: Chart, target: Column, answer: Doubles) -> tuple[Doubles, Doubles]:
        """Return the ROC curve, or predicted and observed rates; nothing where there is one class only."""
        import numpy as np

        from model_package.statistics.curves import calibration, curves

        if not 0 < target.sum() < len(target):
            return np.empty(0), np.empty(0)
        if chart is self.charts[0]:
            curve = curves(target, answer)
            return curve["false_positive_rate"], curve["recall"]
        bins = calibration(target, answer, 10)
        return np.array([each.predicted for each in bins]), np.array([each.observed for each in bins])
