"""The pictures of a window: what moved, how the scores lie, and how good the model still is. No I/O."""

import math
from typing import Any

import numpy as np
from bins import Bins
from drift import Moved, by_share

from shared.figures import ACCENT, MARGINS_WITH_NAMES, QUIET, SECOND, TALL, canvas, svg

_MOST_FEATURES = 16
_MOST_DISTRIBUTIONS = 4
# So many letters of the bins' labels have room beside each other.
_LETTERS_BELOW = 40
# Shares of many bins have three decimals, which need room.
_LEFT_OF_SHARES = {"left": 0.17, "right": 0.98, "bottom": 0.14, "top": 0.91}
_LEFT_OF_NAMES = {"left": 0.30, "right": 0.96, "bottom": 0.11, "top": 0.93}


def draw_drift(moved: list[Moved], limit: float) -> str:
    """Draw the index of the features that moved most, and from where on a feature counts as moved."""
    figure, axes = canvas("Drift by feature", "population stability index", "", TALL, MARGINS_WITH_NAMES)
    chosen = sorted(moved, key=lambda each: each.index)[-_MOST_FEATURES:]
    colours = [SECOND if each.drifted else ACCENT for each in chosen]
    axes.barh([each.name for each in chosen], [each.index for each in chosen], color=colours, height=0.7)
    axes.axvline(limit, color=QUIET, linestyle="--", linewidth=1, label=f"moved from {limit:g} on")
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.legend(loc="lower right")
    return svg(figure)


def draw_attribution(moved: list[Moved]) -> str:
    """Draw what part of the drift, weighted by importance, is each feature's."""
    figure, axes = canvas("What weighs", "share of the drift that matters to the model", "", TALL, MARGINS_WITH_NAMES)
    chosen = by_share(moved)[:_MOST_FEATURES][::-1]
    axes.barh([each.name for each in chosen], [each.share for each in chosen], color=ACCENT, height=0.7)
    axes.tick_params(axis="y", labelsize=8, length=0)
    return svg(figure)


def draw_distributions(moved: list[Moved]) -> list[str]:
    """Draw training and window beside each other, for the features that weigh most."""
    return [draw_bins(each.name, each.bins) for each in by_share(moved)[:_MOST_DISTRIBUTIONS]]


def draw_bins(name: str, bins: Bins) -> str:
    """Draw shares bin by bin: training as bars, the window as a line; the first and last lie outside of training."""
    figure, axes = canvas(name, "", "share of the rows", margins=_LEFT_OF_SHARES)
    places = np.arange(len(bins.labels))
    axes.bar(places, bins.training, color=ACCENT, alpha=0.35, width=0.9, label="training")
    axes.step(places, bins.window, where="mid", color=SECOND, linewidth=2, label="window")
    step = math.ceil(len(places) * (1 + max(len(label) for label in bins.labels)) / _LETTERS_BELOW)
    axes.set_xticks(places[::step], bins.labels[::step], fontsize=8)
    axes.legend(loc="upper right")
    return svg(figure)


def draw_performance(measures: dict[str, Any]) -> str:
    """Draw how far each metric lies from the evaluation, with its interval."""
    figure, axes = canvas("Against the evaluation", "difference, with its interval", "", margins=_LEFT_OF_NAMES)
    names = [name for name, each in measures.items() if each.get("low") is not None]
    for place, name in enumerate(names):
        each = measures[name]
        axes.plot([each["low"], each["high"]], [place, place], color=ACCENT, linewidth=2)
        axes.plot([each["value"] - each["reference"]], [place], color=ACCENT, marker="o", markersize=6)
    axes.axvline(0.0, color=QUIET, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(-0.5, max(0.5, len(names) - 0.5))
    return svg(figure)
