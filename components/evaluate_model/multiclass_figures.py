"""What the report of a multiclass classification shows: confusions, recall by class, and calibration by class."""

import numpy as np
import numpy.typing as npt
from figures import LINE_COLOURS, MOST_BARS, draw_bars, draw_calibration

from model_package.evaluation import Evaluation
from model_package.reports.figures import QUIET, canvas, short, svg
from model_package.reports.pages import Section
from model_package.schema import Schema, written
from model_package.statistics.curves import calibration

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer]

_SIZE = (7.0, 6.4)
_MARGINS = {"left": 0.2, "right": 0.98, "bottom": 0.22, "top": 0.94}
_NAME_CHARACTERS = 16
# Up to so many classes each cell has its count; more would not be readable.
_CLASSES_WITH_COUNTS = 15
_BINS = 10
_DARK = 0.55


def headline(found: Evaluation, schema: Schema) -> str:
    """Say how many classes there are, which is the largest, and which the rows lack."""
    shares = {written(each): found.facts[f"share_{each}"] for each in schema.classes}
    largest = max(shares, key=lambda name: shares[name])
    lacking = [name for name, share in shares.items() if not share]
    absent = f" No row has {', '.join(lacking)}: nothing is known of how well these are found." if lacking else ""
    return (
        f"The label of a row is the most probable of {len(shares)} classes of {schema.target}; the largest is "
        f"{largest} with {100 * shares[largest]:.1f} %.{absent}"
    )


def sections(_: Evaluation, target: Places, probabilities: Floats, schema: Schema) -> list[Section]:
    """Draw confusions, recall and calibration of the most frequent classes, in the order of the schema."""
    counts = np.bincount(target, minlength=len(schema.classes))
    frequent = np.argsort(-counts, kind="stable")
    shown = np.sort(frequent[:MOST_BARS])
    names = [written(each) for each in schema.classes]
    labels = probabilities.argmax(axis=1)
    only = "" if len(shown) == len(names) else f" Shown are the {len(shown)} most frequent of {len(names)} classes."
    recalls = {names[each]: float((labels[target == each] == each).mean()) for each in shown if counts[each]}
    lines = {names[each]: calibration(target == each, probabilities[:, each], _BINS) for each in frequent[:8]}
    lines = {name: bins for (name, bins), _ in zip(lines.items(), LINE_COLOURS, strict=False)}
    return [
        Section(
            "Which classes are taken for which?",
            f"A row of the matrix is a class, a column a label; on the diagonal labels are correct.{only}",
            (draw_confusions(target, labels, shown, names),),
        ),
        Section(
            "Results by class",
            "On the dashed line, of the rows given 30 % for a class three in ten are of it.",
            (
                draw_bars(recalls, "Recall by class", "share of the class that is labelled correctly"),
                draw_calibration(lines, "Calibration by class", "predicted probability", "observed rate"),
            ),
        ),
    ]


def draw_confusions(target: Places, labels: Places, shown: Places, names: list[str]) -> str:
    """Draw the confusion matrix of some classes; colours are shares of a class's rows."""
    pairs = np.bincount(target * len(names) + labels, minlength=len(names) ** 2).reshape(len(names), len(names))
    counts = pairs[np.ix_(shown, shown)]
    shares = counts / np.maximum(1, pairs.sum(axis=1)[shown])[:, None]
    figure, axes = canvas("Confusion matrix", "label", "class", _SIZE, _MARGINS)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    places, written_names = range(len(shown)), [short(names[each], _NAME_CHARACTERS) for each in shown]
    size = 9 if len(shown) <= _CLASSES_WITH_COUNTS else 6
    axes.set_xticks(places, written_names, rotation=90, fontsize=size)
    axes.set_yticks(places, written_names, fontsize=size)
    axes.tick_params(length=0)
    if len(shown) <= _CLASSES_WITH_COUNTS:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > _DARK else "#1c2733" if count else QUIET
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)
    return svg(figure)
