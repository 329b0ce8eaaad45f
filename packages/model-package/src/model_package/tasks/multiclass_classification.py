"""The task of multiclass classification: a probability per class and row, in the order of the schema's classes. Pure.

Loads no numpy by itself. Its metrics are in statistics/multiclass_metrics.py. A target is encoded as the place of its
class; the label of a row is its most probable class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from model_package.errors import ModelError
from model_package.measures import Measure
from model_package.schema import MULTICLASS_CLASSIFICATION
from model_package.tasks.task import (
    Chart,
    ColumnKind,
    Metric,
    SliceMetric,
    SubgroupRate,
    Task,
    Words,
    outcome_name,
    rate_with_error,
)

if TYPE_CHECKING:
    from model_package.documents import Scalar
    from model_package.evaluation import CalibrationBin, Evaluation, SubgroupEvaluation
    from model_package.statistics.weighted_sums import Scored
    from model_package.tasks.task import Column, Doubles, Floats, Mask, Predictions

PROBABILITIES = "probabilities"
LABEL = "label"
# Each class has a column among the collected answers.
PREFIX = "probability_"
_ADVICE = "evaluate this model again, and roll back where it serves"
# Rounding to float32 in the graph.
_SUM_TOLERANCE = 1e-3


class MulticlassClassification(Task):
    """Probabilities of all classes, float64 [rows, classes]."""

    name = MULTICLASS_CLASSIFICATION
    base = MULTICLASS_CLASSIFICATION
    words = Words("classifier", "classification", "accuracy")
    output = PROBABILITIES
    represented_as = LABEL
    metrics: ClassVar = (
        Metric("log_loss", "Log loss", "lower", meaning="how surprising the true classes are, given the probabilities"),
        Metric("accuracy", "Accuracy", "higher", meaning="share of the rows that are labelled correctly"),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "higher",
            meaning="the same for each class, then the mean: rare classes count as much as frequent ones",
        ),
        Metric(
            "f1_macro", "F1, mean of the classes", "higher", meaning="balance of precision and recall, class by class"
        ),
        Metric(
            "roc_auc_ovr",
            "ROC AUC, one class against the rest",
            "higher",
            meaning="how often a row of a class gets a higher probability of it than another row; 0.5 is chance",
            undefined="all rows are of one class",
        ),
        Metric(
            "calibration_error",
            "Calibration error",
            "lower",
            monitored=False,
            needs_features=False,
            meaning="mean distance of the label's probability and how often it is right, in ten bins",
        ),
    )
    slice_metrics: ClassVar = (
        SliceMetric(
            "recall_difference",
            "Recall difference",
            rate="recall_macro",
            evaluated_as="balanced_accuracy",
            explained="Recall macro: share of rows labelled correctly, mean of the classes.",
            share=False,
        ),
    )
    change = Metric("largest_label_share_change", "Largest change in the share of a label", "lower")
    main_metric = "roc_auc_ovr"
    decision_key = LABEL
    explained_as = "probability of the label"
    rarest = "rows of the rarest class"
    subgroup_metrics: ClassVar = ("log_loss", "accuracy", "balanced_accuracy", "f1_macro")
    subgroup_fact_titles: ClassVar = {"mean_confidence": "Mean probability of the label"}
    charts: ClassVar = (
        Chart("Calibration of the label", "probability of the label", "share labelled correctly", dots=True),
        Chart("Recall by class", "share of the rows", "recall", dots=True),
    )

    @property
    def classes(self) -> tuple[Scalar, ...]:
        """The target's values, in the order of the graph's output."""
        return self.schema.classes

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(str(each) for each in self.schema.classes)

    @property
    def prediction_classes(self) -> tuple[float, ...]:
        """The places of the classes."""
        return tuple(float(place) for place in range(len(self.classes)))

    @property
    def prediction_bins_names(self) -> tuple[str, ...]:
        """The classes."""
        return self._names

    @property
    def outcomes(self) -> str:
        """The classes."""
        return f"{', '.join(self._names)}"

    @property
    def numeric_outcomes(self) -> bool:
        """Classes are texts, even where they are numbers."""
        return False

    def encode(self, values: Column) -> Doubles:
        """Return the place of each value among the classes; NaN for one that is no class."""
        import numpy as np

        places = {name: float(place) for place, name in enumerate(self._names)}
        return np.array([places.get(outcome_name(value), np.nan) for value in values.tolist()], dtype=np.float64)

    def class_counts(self, target: Column) -> dict[str, int]:
        """Return the rows of each class."""
        return {name: int((target == place).sum()) for place, name in enumerate(self._names)}

    def positives(self, target: Column) -> int:
        """Return the rows of the rarest class that is there."""
        return min((count for count in self.class_counts(target).values() if count), default=0)

    def checked_answer(self, answer: Any, rows: int) -> Doubles:
        """Return the probabilities. Raises ModelError unless each row has one per class that add up to 1."""
        import numpy as np

        found, count = np.asarray(answer, dtype=np.float64), len(self.classes)
        if found.shape != (rows, count):
            raise ModelError(
                f"the model answered {list(found.shape)} for {rows} rows, not {count} numbers per row; {_ADVICE}"
            )
        valid = ((found >= 0) & (found <= 1)).all(axis=1) & (np.abs(found.sum(axis=1) - 1) <= _SUM_TOLERANCE)
        if not valid.all():
            wrong = rows - int(valid.sum())
            raise ModelError(
                f"`{PROBABILITIES}` must lie from 0 to 1 and add up to 1, and do not for {wrong} of {rows} rows; "
                f"{_ADVICE}"
            )
        return found

    def predictions(self, answer: Doubles) -> list[dict[str, Any]]:
        """Return the label and the probability of each class, row by row."""
        return [
            {LABEL: label, PROBABILITIES: dict(zip(self._names, row, strict=True))}
            for label, row in zip(self.decisions(answer), answer.tolist(), strict=True)
        ]

    def columns(self, answer: Doubles) -> dict[str, Column]:
        """Return the label as text, and a column of probabilities per class."""
        import numpy as np

        names = np.array(self._names, dtype=object)
        labels = names[answer.argmax(axis=1)] if len(answer) else names[:0]
        return {LABEL: labels, **{f"{PREFIX}{name}": answer[:, place] for place, name in enumerate(self._names)}}

    @property
    def column_kinds(self) -> dict[str, ColumnKind]:
        """A text, and a number per class."""
        kinds: dict[str, ColumnKind] = {f"{PREFIX}{name}": "number" for name in self._names}
        return {LABEL: "text", **kinds}

    @property
    def column_limits(self) -> tuple[float, float]:
        """Probabilities lie from 0 to 1."""
        return (0.0, 1.0)

    def answer_of(self, columns: Mapping[str, Column]) -> Doubles:
        """Return the probabilities as they were collected."""
        import numpy as np

        return np.stack([columns[f"{PREFIX}{name}"] for name in self._names], axis=1)

    def recorded_answer(self, values: Mapping[str, Sequence[Any]]) -> Doubles:
        """Return the recorded probabilities."""
        import numpy as np

        rows = [[each[name] for name in self._names] for each in values[PROBABILITIES]]
        return np.asarray(rows, dtype=np.float64).reshape(-1, len(self.classes))

    def decisions(self, answer: Doubles) -> list[Any]:
        """Return the most probable class of each row."""
        return [self.classes[place] for place in answer.argmax(axis=1).tolist()]

    def represent(self, answer: Floats) -> Floats:
        """Return the place of the most probable class."""
        return answer.argmax(axis=1).astype("float64")

    def explained(self, answer: Doubles, row: Doubles) -> Doubles:
        """Return the probability of the class that the row is labelled with."""
        return answer[:, int(row.argmax())]

    def described(self, prediction: Mapping[str, Any]) -> str:
        """Return label and its probability."""
        label = prediction[LABEL]
        return f"label {label}, probability {prediction[PROBABILITIES][str(label)]:.4f}"

    def prepare(
        self, target: Column, answer: Floats, bins: int = 10, slices: Mapping[str, Mask] | None = None
    ) -> Scored:
        """Prepare rows for weightings."""
        from model_package.statistics.multiclass_metrics import prepare

        return prepare(target, answer, bins, slices)

    def calibration(self, target: Column, answer: Doubles, bins: int) -> tuple[CalibrationBin, ...]:
        """Compare the label's probability with how often it is right."""
        from model_package.statistics.curves import calibration

        return calibration(answer.argmax(axis=1) == target, answer.max(axis=1), bins)

    def facts(self, target: Column) -> dict[str, float]:
        """Return the share of each class."""
        return {f"share_{name}": count / len(target) for name, count in self.class_counts(target).items()}

    def subgroup_facts(self, target: Column, answer: Doubles) -> dict[str, float | None]:
        """Return the mean probability of the labels."""
        return {"mean_confidence": float(answer.max(axis=1).mean()) if len(target) else None}

    def rate(self, metric: SliceMetric, answer: Floats, target: Column | None) -> SubgroupRate:
        """Return the recall, mean of the classes that the rows have, with its standard error."""
        if target is None or not len(target):
            return SubgroupRate(0.0, 0, 0.0)
        right = answer.argmax(axis=1) == target
        recalls = [right[target == place] for place in range(len(self.classes)) if (target == place).any()]
        variance = sum(float(each.var()) / len(each) for each in recalls)
        mean = sum(float(each.mean()) for each in recalls) / len(recalls)
        return SubgroupRate(mean, len(target), variance**0.5 / len(recalls))

    def rate_before(self, metric: SliceMetric, stated: SubgroupEvaluation) -> SubgroupRate | None:
        """Return the balanced accuracy, with the standard error that its interval says."""
        return rate_with_error(metric, stated)

    def prediction_change(self, answer: Floats, evaluation: Evaluation, training: Predictions) -> Measure:
        """Measure the label whose share changed most from training."""
        counts = training.counts
        labels, total = answer.argmax(axis=1), sum(counts) or 1
        now = {name: float((labels == place).mean()) for place, name in enumerate(self._names)}
        before = {name: count / total for name, count in zip(self._names, counts, strict=True)}
        worst = max(now, key=lambda name: abs(now[name] - before[name]))
        detail = f"{worst} {100 * now[worst]:.1f} % now, {100 * before[worst]:.1f} % before"
        return Measure(abs(now[worst] - before[worst]), details=(detail,))

    def draw(self, chart: Chart, target: Column, answer: Doubles) -> tuple[Doubles, Doubles]:
        """Return the label's probability and how often it is right, or the share and the recall of each class."""
        import numpy as np

        if chart is self.charts[0]:
            bins = self.calibration(target, answer, 10)
            return np.array([each.predicted for each in bins]), np.array([each.observed for each in bins])
        right = answer.argmax(axis=1) == target
        inside = [target == place for place in range(len(self.classes)) if (target == place).any()]
        inside.sort(key=lambda rows: float(rows.mean()))
        return np.array([rows.mean() for rows in inside]), np.array([right[rows].mean() for rows in inside])
