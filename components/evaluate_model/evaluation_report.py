"""What report.html shows: the sections of the task, and what all tasks have. The template only lays it out. No I/O."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import binary_figures
import multiclass_figures
import numpy as np
import numpy.typing as npt
import regression_figures
from figures import draw_chart, draw_importance, draw_slices

from model_package.evaluation import Evaluation
from model_package.reports.pages import Section
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION
from model_package.tasks import Task

Doubles = npt.NDArray[np.float64]

# How many metrics are shown large, on top.
TILES = 4
_FIGURES: Mapping[str, ModuleType] = {
    BINARY_CLASSIFICATION: binary_figures,
    MULTICLASS_CLASSIFICATION: multiclass_figures,
    REGRESSION: regression_figures,
}
# What subgroups are compared by in a figure.
_COMPARED = {BINARY_CLASSIFICATION: "roc_auc", MULTICLASS_CLASSIFICATION: "balanced_accuracy", REGRESSION: "bias"}


def page(found: Evaluation, target: npt.NDArray[Any], answer: Doubles, task: Task, rounds: int) -> dict[str, Any]:
    """Return all that the template shows. `target` [rows] is encoded, `answer` the task's."""
    own = _FIGURES.get(task.base)
    compared = task.metric(_COMPARED.get(task.base, task.subgroup_metrics[0]))
    return {
        "evaluation": found,
        "rounds": rounds,
        "headline": own.headline(found, task.schema) if own else "",
        "sections": [
            *(own.sections(found, target, answer, task.schema) if own else _charts(target, answer, task)),
            _of_all_tasks(found, task),
        ],
        "tiles": [each for each in task.metrics if each.name in found.metrics][:TILES],
        "metrics": [each for each in task.metrics if each.name in found.metrics],
        "subgroup_facts": task.subgroup_fact_titles,
        "subgroup_metrics": [task.metric(name) for name in task.subgroup_metrics],
        "compared": compared,
    }


def _charts(target: npt.NDArray[Any], answer: Doubles, task: Task) -> list[Section]:
    """Return the charts that a task of one's own describes."""
    drawn = tuple(draw_chart(chart, *task.draw(chart, target, answer)) for chart in task.charts)
    return [Section("Answers and outcomes", "", drawn)] if drawn else []


def _of_all_tasks(found: Evaluation, task: Task) -> Section:
    importance = draw_importance(found.importance, task.metric(task.main_metric))
    compared = task.metric(_COMPARED.get(task.base, task.subgroup_metrics[0]))
    slices = draw_slices(found.slices, compared)
    title = "Importance, and results by subgroup" if slices else "Importance"
    return Section(title, "", (importance, slices) if slices else (importance,))
