"""The figures of the evaluation. No I/O."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from model_package.evaluation import CalibrationBin, SubgroupEvaluation
from model_package.reports.figures import (
    ACCENT,
    MARGINS_WITH_LONG_NAMES,
    MARGINS_WITH_NAMES,
    QUIET,
    SECOND,
    TALL,
    canvas,
    svg,
)

Floats = npt.NDArray[np.float64]

_HISTOGRAM_BINS = 40


def draw_roc(curve: dict[str, Floats], auc: float | None) -> str:
    """Draw the ROC curve."""
    figure, axes = canvas("ROC curve", "false positive rate", "true positive rate")
    axes.plot(
        *_thin(curve["false_positive_rate"], curve["recall"]), color=ACCENT, linewidth=2, label=_named("AUC", auc)
    )
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.legend(loc="lower right")
    return svg(figure)


def draw_precision_recall(curve: dict[str, Floats], average: float | None, rate: float) -> str:
    """Draw precision against recall; `rate` is the share of positives, which is the precision by chance."""
    figure, axes = canvas("Precision and recall", "recall", "precision")
    label = _named("average precision", average)
    axes.plot(*_thin(curve["recall"], curve["precision"]), color=ACCENT, linewidth=2, label=label)
    axes.axhline(rate, color=QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="upper right")
    return svg(figure)


def draw_calibration(bins: Sequence[CalibrationBin]) -> str:
    """Draw observed against predicted rates."""
    figure, axes = canvas("Calibration", "predicted probability", "observed rate")
    predicted, observed = [each.predicted for each in bins], [each.observed for each in bins]
    end = min(1.0, 1.1 * max(predicted + observed))
    axes.plot([0, end], [0, end], color=QUIET, linestyle="--", linewidth=1, label="perfect")
    axes.plot(predicted, observed, color=ACCENT, marker="o", markersize=5, linewidth=1.5, label="model")
    axes.legend(loc="upper left")
    return svg(figure)


def draw_scores(target: npt.ArrayLike, probability: npt.ArrayLike, threshold: float) -> str:
    """Draw the distribution of the probabilities by class, with the threshold."""
    figure, axes = canvas("Scores by class", "predicted probability", "share of the class")
    labels, scores = np.asarray(target), np.asarray(probability)
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    for value, name, colour in ((0, "no default", ACCENT), (1, "default", SECOND)):
        counts = np.histogram(scores[labels == value], edges)[0]
        axes.stairs(counts / max(1, counts.sum()), edges, fill=True, alpha=0.45, color=colour, label=name)
    axes.axvline(threshold, color="#1c2733", linewidth=1, label=f"threshold {threshold:.3f}")
    axes.legend(loc="upper right")
    return svg(figure)


def draw_importance(importance: dict[str, float]) -> str:
    """Draw what each feature adds to ROC AUC, largest on top."""
    figure, axes = canvas("Importance", "loss of ROC AUC when the feature is shuffled", "", TALL, MARGINS_WITH_NAMES)
    ordered = sorted(importance.items(), key=lambda entry: entry[1])
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=ACCENT, height=0.7)
    axes.tick_params(axis="y", labelsize=8, length=0)
    return svg(figure)


def draw_slices(slices: Mapping[str, Mapping[str, SubgroupEvaluation]]) -> str:
    """Draw ROC AUC with its interval for every subgroup of every slice; subgroups without one are left out."""
    figure, axes = canvas("ROC AUC by subgroup", "ROC AUC with its interval", "", TALL, MARGINS_WITH_LONG_NAMES)
    names, values, lows, highs = [], [], [], []
    for name, subgroups in slices.items():
        for label, found in subgroups.items():
            auc = found.metrics["roc_auc"]
            if auc.value is not None and auc.low is not None and auc.high is not None:
                names.append(f"{name}: {label}")
                values.append(auc.value)
                lows.append(max(0.0, auc.value - auc.low))
                highs.append(max(0.0, auc.high - auc.value))
    axes.errorbar(values, range(len(names)), xerr=[lows, highs], fmt="o", color=ACCENT, capsize=3, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e6ebef")
    return svg(figure)


def _named(name: str, value: float | None) -> str:
    return name if value is None else f"{name} {value:.3f}"


def _thin(x: Floats, y: Floats, points: int = 400) -> tuple[Floats, Floats]:
    """Keep at most a few hundred points of a curve: more are not visible, and each adds bytes to the page."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
    return x[keep], y[keep]
