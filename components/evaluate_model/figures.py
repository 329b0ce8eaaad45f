"""The evaluation's figures as inline SVG: from numbers to pictures, no I/O.

Built on Figure alone: pyplot would add a second to the import and keep figures in a global list.
"""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

_ACCENT = "#0f6cbd"
_SECOND = "#c2571a"
_QUIET = "#8a97a3"
_HALF_WIDTH = (5.0, 3.6)
_TALL = (5.0, 4.9)
# Edges of the axes in the figure. Fixed, because matplotlib's automatic layout costs as much as drawing.
_MARGINS = {"left": 0.13, "right": 0.98, "bottom": 0.14, "top": 0.91}
_MARGINS_WITH_NAMES = {"left": 0.22, "right": 0.96, "bottom": 0.11, "top": 0.93}
_MARGINS_WITH_LONG_NAMES = {"left": 0.37, "right": 0.96, "bottom": 0.11, "top": 0.93}
_HISTOGRAM_BINS = 40
_STYLE: Any = {
    # Text as text: small files, sharp on any screen, and found by the browser's search.
    "svg.fonttype": "none",
    # Fixed ids make the same numbers give the same bytes.
    "svg.hashsalt": "evaluation",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _QUIET,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#5b6b7b",
    "ytick.color": "#5b6b7b",
    "legend.frameon": False,
}


def draw_roc(curve: dict[str, Floats], auc: float | None) -> str:
    """Draw the ROC curve."""
    figure, axes = _canvas("ROC curve", "false positive rate", "true positive rate")
    axes.plot(*_thin(curve["fall_out"], curve["recall"]), color=_ACCENT, linewidth=2, label=_named("AUC", auc))
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.legend(loc="lower right")
    return _svg(figure)


def draw_precision_recall(curve: dict[str, Floats], average: float | None, rate: float) -> str:
    """Draw precision against recall; `rate` is the share of positives, the precision by chance."""
    figure, axes = _canvas("Precision and recall", "recall", "precision")
    label = _named("average precision", average)
    axes.plot(*_thin(curve["recall"], curve["precision"]), color=_ACCENT, linewidth=2, label=label)
    axes.axhline(rate, color=_QUIET, linestyle="--", linewidth=1, label="by chance")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="upper right")
    return _svg(figure)


def draw_calibration(bins: list[dict[str, float]]) -> str:
    """Draw observed against predicted rates."""
    figure, axes = _canvas("Calibration", "predicted probability", "observed rate")
    predicted, observed = [entry["predicted"] for entry in bins], [entry["observed"] for entry in bins]
    end = min(1.0, 1.1 * max(predicted + observed))
    axes.plot([0, end], [0, end], color=_QUIET, linestyle="--", linewidth=1, label="perfect")
    axes.plot(predicted, observed, color=_ACCENT, marker="o", markersize=5, linewidth=1.5, label="model")
    axes.legend(loc="upper left")
    return _svg(figure)


def draw_scores(target: npt.ArrayLike, probability: npt.ArrayLike, threshold: float) -> str:
    """Draw how the probabilities of the two classes are distributed, with the threshold."""
    figure, axes = _canvas("Scores by class", "predicted probability", "share of the class")
    labels, scores = np.asarray(target), np.asarray(probability)
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    for value, name, colour in ((0, "no default", _ACCENT), (1, "default", _SECOND)):
        counts = np.histogram(scores[labels == value], edges)[0]
        axes.stairs(counts / max(1, counts.sum()), edges, fill=True, alpha=0.45, color=colour, label=name)
    axes.axvline(threshold, color="#1c2733", linewidth=1, label=f"threshold {threshold:.3f}")
    axes.legend(loc="upper right")
    return _svg(figure)


def draw_importance(importance: dict[str, float]) -> str:
    """Draw what each feature adds to ROC AUC, largest on top."""
    figure, axes = _canvas("Importance", "loss of ROC AUC when the feature is shuffled", "", _TALL, _MARGINS_WITH_NAMES)
    ordered = sorted(importance.items(), key=lambda entry: entry[1])
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=_ACCENT, height=0.7)
    axes.tick_params(axis="y", labelsize=8, length=0)
    return _svg(figure)


def draw_groups(groups: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Draw ROC AUC with its interval for every band of every group; bands without one are left out."""
    figure, axes = _canvas("ROC AUC by group", "ROC AUC with its interval", "", _TALL, _MARGINS_WITH_LONG_NAMES)
    names, values, lows, highs = [], [], [], []
    for group, bands in groups.items():
        for band, facts in bands.items():
            auc = facts["metrics"]["roc_auc"]
            if auc["value"] is not None and auc["low"] is not None:
                names.append(f"{group}: {band}")
                values.append(auc["value"])
                lows.append(max(0.0, auc["value"] - auc["low"]))
                highs.append(max(0.0, auc["high"] - auc["value"]))
    axes.errorbar(values, range(len(names)), xerr=[lows, highs], fmt="o", color=_ACCENT, capsize=3, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e6ebef")
    return _svg(figure)


def _canvas(
    title: str,
    across: str,
    up: str,
    size: tuple[float, float] = _HALF_WIDTH,
    margins: dict[str, float] = _MARGINS,
) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        axes = figure.add_subplot(title=title, xlabel=across, ylabel=up)
        figure.subplots_adjust(**margins)
    return figure, axes


def _named(name: str, value: float | None) -> str:
    return name if value is None else f"{name} {value:.3f}"


def _thin(x: Floats, y: Floats, points: int = 400) -> tuple[Floats, Floats]:
    """Keep at most some hundred points of a curve: more cannot be seen, and each is bytes in the page."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
    return x[keep], y[keep]


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    # The XML prologue has no place inside an HTML page.
    return text[text.index("<svg") :]
