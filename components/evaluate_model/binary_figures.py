"""What the report of a binary classification shows: ranking, calibration, and the scores of both classes."""

import numpy as np
import numpy.typing as npt
from figures import draw_calibration, thin

from model_package.evaluation import Evaluation
from model_package.reports.figures import ACCENT, QUIET, SECOND, canvas, short, svg
from model_package.reports.pages import Section
from model_package.schema import Schema, written
from model_package.statistics.curves import curves

Floats = npt.NDArray[np.float64]

_HISTOGRAM_BINS = 40
_NAME_CHARACTERS = 24


def headline(found: Evaluation, schema: Schema) -> str:
    """Say what is positive, how often, and when a row is predicted to be."""
    share, threshold = found.facts["positive_rate"], found.facts["threshold"]
    return (
        f"A row is positive where {positive_of(schema)}, as {100 * share:.1f} % are, and is predicted to be at a "
        f"probability of {threshold:.3f} or more."
    )


def positive_of(schema: Schema) -> str:
    """Return the outcome that counts as 1 as an equation."""
    return f"{schema.target} = {1 if schema.positive is None else written(schema.positive)}"


def sections(found: Evaluation, target: npt.NDArray[np.int8], probability: Floats, schema: Schema) -> list[Section]:
    """Draw ranking and calibration."""
    curve = curves(target, probability)
    average = found.estimate("average_precision").value
    ranking = (
        draw_roc(curve, found.estimate("roc_auc").value),
        draw_precision_recall(curve, average, found.facts["positive_rate"]),
    )
    lines = {"model": found.calibration}
    calibration = (
        draw_calibration(lines, "Calibration", "predicted probability", "observed rate"),
        draw_scores(target, probability, found.facts["threshold"], schema),
    )
    dashed = "On the dashed line, of the rows given 30 % three in ten are positive."
    return [
        Section("Ranking: how well it orders the rows", "", ranking),
        Section("Calibration: do the probabilities hold?", dashed, calibration),
    ]


def draw_roc(curve: dict[str, Floats], auc: float | None) -> str:
    """Draw the ROC curve."""
    figure, axes = canvas("ROC curve", "false positive rate", "true positive rate")
    points = thin(curve["false_positive_rate"], curve["recall"])
    axes.plot(*points, color=ACCENT, linewidth=2, label=_named("AUC", auc))
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.legend(loc="lower right")
    return svg(figure)


def draw_precision_recall(curve: dict[str, Floats], average: float | None, rate: float) -> str:
    """Draw precision against recall; `rate` is the share of positives, which is the precision by chance."""
    figure, axes = canvas("Precision and recall", "recall", "precision")
    label = _named("average precision", average)
    axes.plot(*thin(curve["recall"], curve["precision"]), color=ACCENT, linewidth=2, label=label)
    axes.axhline(rate, color=QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="upper right")
    return svg(figure)


def draw_scores(target: npt.NDArray[np.int8], probability: Floats, threshold: float, schema: Schema) -> str:
    """Draw the distribution of the probabilities by class, with the threshold."""
    figure, axes = canvas("Scores by class", "predicted probability", "share of the class")
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    for value, name, colour in ((0, "the others", ACCENT), (1, positive_of(schema), SECOND)):
        counts = np.histogram(probability[target == value], edges)[0]
        label = short(name, _NAME_CHARACTERS)
        axes.stairs(counts / max(1, counts.sum()), edges, fill=True, alpha=0.45, color=colour, label=label)
    axes.axvline(threshold, color="#1c2733", linewidth=1, label=f"threshold {threshold:.3f}")
    axes.legend(loc="upper right")
    return svg(figure)


def _named(name: str, value: float | None) -> str:
    return name if value is None else f"{name} {value:.3f}"
