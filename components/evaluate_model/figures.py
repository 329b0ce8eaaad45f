"""The figures that every task has: importance, subgroups, and lines of what was predicted against what came true."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_package.evaluation import CalibrationBin, SubgroupEvaluation
from model_package.reports.figures import (
    ACCENT,
    HALF_WIDTH,
    MARGINS_WITH_LONG_NAMES,
    MARGINS_WITH_NAMES,
    QUIET,
    SECOND,
    TALL,
    canvas,
    short,
    svg,
)
from model_package.tasks.task import Chart, Metric

Floats = npt.NDArray[np.float64]

# More bars than this cannot be told apart in half of a page's width.
MOST_BARS = 40
LINE_COLOURS = (ACCENT, SECOND, "#107c41", "#7a3e9d", "#b3261e", "#8a5a00", "#0b7285", QUIET)
_NAME_CHARACTERS = 16
_LONG_NAME_CHARACTERS = 28
_BAR_HEIGHT = 0.19
# Below the axes, for the numbers and their label, and above for the title, in inches.
_BELOW, _ABOVE = 0.55, 0.35


def draw_importance(importance: Mapping[str, float], metric: Metric) -> str:
    """Draw what each feature adds to a metric, largest on top; the least useful of many are left out."""
    ordered = sorted(importance.items(), key=lambda entry: -entry[1])[:MOST_BARS]
    worse = "rise" if metric.better == "lower" else "loss"
    title = "Importance" if len(ordered) == len(importance) else f"Importance: the first {MOST_BARS}"
    return draw_bars(dict(ordered), title, f"{worse} of {metric.name} when the feature is shuffled")


def draw_bars(values: Mapping[str, float], title: str, across: str) -> str:
    """Draw a horizontal bar per name, the first on top."""
    long = any(len(name) > _NAME_CHARACTERS for name in values)
    margins = MARGINS_WITH_LONG_NAMES if long else MARGINS_WITH_NAMES
    figure, axes = _rows_canvas(title, across, len(values), margins)
    places = range(len(values))
    axes.barh(places, list(values.values()), color=ACCENT, height=0.7)
    axes.set_yticks(places, [short(name, _LONG_NAME_CHARACTERS) for name in values], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)
    return svg(figure)


def draw_slices(slices: Mapping[str, Mapping[str, SubgroupEvaluation]], metric: Metric) -> str:
    """Draw a metric with its interval for every subgroup of every slice; subgroups without one are left out.

    Returns "" where there is none to draw.
    """
    names, values, lows, highs = [], [], [], []
    for name, subgroups in slices.items():
        for label, found in subgroups.items():
            estimate = found.metrics[metric.name]
            if estimate.value is not None and estimate.low is not None and estimate.high is not None:
                names.append(short(f"{name}: {label}", _LONG_NAME_CHARACTERS))
                values.append(estimate.value)
                lows.append(max(0.0, estimate.value - estimate.low))
                highs.append(max(0.0, estimate.high - estimate.value))
    if not names:
        return ""
    title, across = f"{metric.title} by subgroup", f"{metric.title} with its interval"
    figure, axes = _rows_canvas(title, across, len(names), MARGINS_WITH_LONG_NAMES)
    axes.errorbar(values, range(len(names)), xerr=[lows, highs], fmt="o", color=ACCENT, capsize=3, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color="#e6ebef")
    return svg(figure)


def draw_calibration(lines: Mapping[str, Sequence[CalibrationBin]], title: str, across: str, up: str) -> str:
    """Draw observed against predicted rates, a line per name."""
    figure, axes = canvas(title, across, up)
    bins = [each for line in lines.values() for each in line]
    end = min(1.0, 1.1 * max([each.predicted for each in bins] + [each.observed for each in bins], default=1.0)) or 1.0
    axes.plot([0, end], [0, end], color=QUIET, linestyle="--", linewidth=1, label="perfect")
    for (name, line), colour in zip(lines.items(), LINE_COLOURS, strict=False):
        predicted, observed = [each.predicted for each in line], [each.observed for each in line]
        label = short(name, _NAME_CHARACTERS)
        axes.plot(predicted, observed, color=colour, marker="o", markersize=4, linewidth=1.5, label=label)
    axes.legend(loc="upper left", fontsize=8 if len(lines) > 1 else 10)
    return svg(figure)


def draw_chart(chart: Chart, across: Floats, up: Floats) -> str:
    """Draw the chart of a task as it describes it itself."""
    figure, axes = canvas(chart.title, chart.across, chart.up)
    axes.plot(across, up, color=ACCENT, marker="o" if chart.dots else None, markersize=5, linewidth=1.5)
    return svg(figure)


def thin(x: Floats, y: Floats, points: int = 400) -> tuple[Floats, Floats]:
    """Keep at most a few hundred points of a curve: more are not visible, and each adds bytes to the page."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
    return x[keep], y[keep]


def _rows_canvas(title: str, across: str, rows: int, margins: dict[str, float]) -> tuple[Figure, Axes]:
    """Make a figure so high that as many names are readable."""
    height = max(HALF_WIDTH[1], _BELOW + _ABOVE + _BAR_HEIGHT * rows)
    fitting = {**margins, "bottom": _BELOW / height, "top": 1 - _ABOVE / height}
    return canvas(title, across, "", (TALL[0], height), fitting)
