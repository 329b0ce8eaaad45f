"""The plots of a window: what drifted, how the scores lie, and how good the model still is. No I/O."""

import math
from collections.abc import Mapping

import numpy as np

from model_package.measures import Measure
from model_package.monitoring.findings import ColumnDrift, Findings, HistogramPair, by_contribution
from model_package.reports.figures import ACCENT, MARGINS_WITH_NAMES, QUIET, SECOND, TALL, canvas, svg

_MAX_FEATURES = 16
_MAX_DISTRIBUTIONS = 4
# So many letters of the bins' labels have room beside each other.
_LETTERS_BELOW = 56
# Shares of many bins have three decimals, which need room.
_LEFT_OF_SHARES = {"left": 0.17, "right": 0.98, "bottom": 0.14, "top": 0.91}
_LEFT_OF_NAMES = {"left": 0.44, "right": 0.96, "bottom": 0.11, "top": 0.93}


def draw(found: Findings, psi_threshold: float) -> dict[str, str]:
    """Draw what there is to be drawn: name → SVG."""
    figures: dict[str, str] = {}
    if found.columns:
        figures |= {"drift": draw_drift(found.columns, psi_threshold), "contribution": draw_contribution(found.columns)}
        for number, picture in enumerate(draw_distributions(found.columns), start=1):
            figures[f"feature_{number}"] = picture
    if found.score is not None:
        figures["score"] = draw_histograms(found.score.name, found.score.histogram)
    compared = {name: found.measures[name] for name in found.performance or () if name in found.measures}
    if any(each.difference_interval is not None for each in compared.values()):
        figures["performance"] = draw_performance(compared)
    return figures


def draw_drift(columns: list[ColumnDrift], psi_threshold: float) -> str:
    """Draw the PSI of the features that drifted most, and from where on a feature counts as drifted."""
    figure, axes = canvas("Drift by feature", "population stability index", "", TALL, MARGINS_WITH_NAMES)
    chosen = sorted(columns, key=lambda each: each.psi)[-_MAX_FEATURES:]
    colours = [SECOND if each.drifted else ACCENT for each in chosen]
    axes.barh([each.name for each in chosen], [each.psi for each in chosen], color=colours, height=0.7)
    label = f"drifted from {psi_threshold:g} on"
    axes.axvline(psi_threshold, color=QUIET, linestyle="--", linewidth=1, label=label)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.legend(loc="lower right")
    return svg(figure)


def draw_contribution(columns: list[ColumnDrift]) -> str:
    """Draw what part of the drift, weighted by importance, is each feature's."""
    title, across = "Contribution to drift", "share of the drift that matters to the model"
    figure, axes = canvas(title, across, "", TALL, MARGINS_WITH_NAMES)
    chosen = by_contribution(columns)[:_MAX_FEATURES][::-1]
    axes.barh([each.name for each in chosen], [each.contribution for each in chosen], color=ACCENT, height=0.7)
    axes.tick_params(axis="y", labelsize=8, length=0)
    return svg(figure)


def draw_distributions(columns: list[ColumnDrift]) -> list[str]:
    """Draw training and window beside each other, for the features that contribute most."""
    return [draw_histograms(each.name, each.histogram) for each in by_contribution(columns)[:_MAX_DISTRIBUTIONS]]


def draw_histograms(name: str, pair: HistogramPair) -> str:
    """Draw shares bin by bin: training as bars, the window as a line; the first and last lie outside of training."""
    figure, axes = canvas(name, "", "share of the rows", margins=_LEFT_OF_SHARES)
    positions = np.arange(len(pair.labels))
    axes.bar(positions, pair.training, color=ACCENT, alpha=0.35, width=0.9, label="training")
    axes.step(positions, pair.window, where="mid", color=SECOND, linewidth=2, label="window")
    step = math.ceil(len(positions) * (1 + max(len(label) for label in pair.labels)) / _LETTERS_BELOW)
    axes.set_xticks(positions[::step], pair.labels[::step], fontsize=8)
    axes.legend(loc="upper right")
    return svg(figure)


def draw_performance(measures: Mapping[str, Measure]) -> str:
    """Draw how far each metric lies from the evaluation, with its interval."""
    figure, axes = canvas("Against the evaluation", "difference, with its interval", "", margins=_LEFT_OF_NAMES)
    names = []
    for name, each in measures.items():
        if each.difference is None or each.difference_interval is None:
            continue
        position = len(names)
        names.append(name)
        low, high = each.difference_interval.low, each.difference_interval.high
        axes.plot([low, high], [position, position], color=ACCENT, linewidth=2)
        axes.plot([each.difference], [position], color=ACCENT, marker="o", markersize=6)
    axes.axvline(0.0, color=QUIET, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.5, max(0.5, len(names) - 0.5))
    return svg(figure)
