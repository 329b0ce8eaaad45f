"""What the report of a regression shows: predicted against actual, residuals, and the error by decile."""

import numpy as np
import numpy.typing as npt
from figures import draw_bars

from model_package.evaluation import Evaluation
from model_package.reports.figures import ACCENT, QUIET, SECOND, canvas, short, svg
from model_package.reports.pages import Section, written_number
from model_package.schema import Schema

Floats = npt.NDArray[np.float64]

_POINTS = 5_000
_HISTOGRAM_BINS = 40
_DECILES = 10
_NAME_CHARACTERS = 24
# On the left there is room for numbers of any size.
_MARGINS = {"left": 0.19, "right": 0.98, "bottom": 0.14, "top": 0.91}
# The farthest residuals would make all others one bar.
_SHOWN_PERCENTILES = (0.5, 99.5)


def headline(found: Evaluation, schema: Schema) -> str:
    """Say what is predicted, and how its values are distributed."""
    mean, spread = found.facts["mean_target"], found.facts["standard_deviation_target"]
    return (
        f"It predicts {schema.target}, whose mean is {written_number(mean)} and whose standard deviation is "
        f"{written_number(spread)}."
    )


def sections(_: Evaluation, target: Floats, prediction: Floats, schema: Schema) -> list[Section]:
    """Draw predictions, residuals and errors."""
    return [
        Section(
            "Predicted against actual",
            "On the dashed line the prediction is right; above it, the model predicts too much.",
            (
                draw_predicted_against_actual(target, prediction, schema.target),
                draw_error_by_decile(target, prediction),
            ),
        ),
        Section(
            "Residuals: prediction minus actual value",
            "A good model's residuals lie evenly around 0 at every prediction. Of the histogram the outermost 1 % are "
            "in the first and the last bar.",
            (draw_residuals(target, prediction), draw_histogram_of_residuals(target, prediction)),
        ),
    ]


def draw_predicted_against_actual(target: Floats, prediction: Floats, name: str) -> str:
    """Draw a point per row."""
    what = short(name, _NAME_CHARACTERS)
    figure, axes = canvas("Predicted against actual", f"actual {what}", f"predicted {what}", margins=_MARGINS)
    shown = _sample(len(target))
    axes.scatter(target[shown], prediction[shown], s=6, color=ACCENT, alpha=0.35, linewidths=0, rasterized=True)
    low, high = float(min(target.min(), prediction.min())), float(max(target.max(), prediction.max()))
    axes.plot([low, high], [low, high], color=QUIET, linestyle="--", linewidth=1, label="right")
    axes.legend(loc="upper left")
    return svg(figure)


def draw_error_by_decile(target: Floats, prediction: Floats) -> str:
    """Draw the mean absolute error in each tenth of the rows, by rising prediction."""
    groups = [group for group in np.array_split(np.argsort(prediction, kind="stable"), _DECILES) if len(group)]
    errors = {
        f"{written_number(prediction[group].min())} to {written_number(prediction[group].max())}": float(
            np.abs(prediction[group] - target[group]).mean()
        )
        for group in groups
    }
    return draw_bars(errors, "Error by decile of the prediction", "mean absolute error")


def draw_residuals(target: Floats, prediction: Floats) -> str:
    """Draw residuals against predictions."""
    figure, axes = canvas("Residuals by prediction", "predicted", "predicted minus actual", margins=_MARGINS)
    shown = _sample(len(target))
    residuals = prediction - target
    axes.scatter(prediction[shown], residuals[shown], s=6, color=ACCENT, alpha=0.35, linewidths=0, rasterized=True)
    axes.axhline(0, color=QUIET, linestyle="--", linewidth=1)
    return svg(figure)


def draw_histogram_of_residuals(target: Floats, prediction: Floats) -> str:
    """Draw how residuals are distributed, with their mean."""
    figure, axes = canvas("Distribution of the residuals", "predicted minus actual", "rows", margins=_MARGINS)
    residuals = prediction - target
    low, high = np.percentile(residuals, _SHOWN_PERCENTILES)
    counts, edges = np.histogram(np.clip(residuals, low, high), _HISTOGRAM_BINS)
    axes.stairs(counts, edges, fill=True, alpha=0.6, color=ACCENT)
    mean = float(residuals.mean())
    axes.axvline(mean, color=SECOND, linewidth=1, label=f"bias {written_number(mean)}")
    axes.legend(loc="upper right")
    return svg(figure)


def _sample(rows: int) -> npt.NDArray[np.intp]:
    """Return rows at even distances: test rows are in no order that matters."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _POINTS)).astype(np.intp))
