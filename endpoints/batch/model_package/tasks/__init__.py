"""The tasks that a model can have, each ONE module behind one interface; outside nothing names an output or a metric.

Loads no numpy. A fork adds metrics, and tasks of its own, in extensions/.
"""

from __future__ import annotations

from functools import lru_cache

from model_package.errors import ExtensionError, SchemaError, did_you_mean
from model_package.schema import Schema
from model_package.tasks.added_metrics import with_metrics
from model_package.tasks.binary_classification import BinaryClassification
from model_package.tasks.extensions import (
    METRICS_FILE,
    TASKS_FILE,
    Extensions,
    GateMeasure,
    MonitorMeasure,
    extensions,
    refuse_collisions,
    use_extensions,
)
from model_package.tasks.multiclass_classification import MulticlassClassification
from model_package.tasks.regression import Regression
from model_package.tasks.task import Metric, SliceMetric, Task

_ALL: tuple[type[Task], ...] = (BinaryClassification, MulticlassClassification, Regression)
# Those of the template; `known_tasks` has those of a fork too.
TASKS: dict[str, type[Task]] = {each.name: each for each in _ALL}
# What people look for and this template does not have; each has a way through a task of one's own.
_REFUSED = {
    "anomaly_detection": "with known cases it is binary_classification",
    "clustering": "",
    "forecasting": "a value one step ahead is a regression with `time: COLUMN`",
    "image_classification": "",
    "multilabel_classification": "one model per label is binary_classification",
    "object_detection": "",
    "ordinal_regression": "with few levels it is multiclass_classification",
    "quantile_regression": "",
    "ranking": "",
    "recommendation": "",
    "survival_analysis": "",
    "text_generation": "",
    "time_series": "a value one step ahead is a regression with `time: COLUMN`",
}

__all__ = [
    "TASKS",
    "Extensions",
    "GateMeasure",
    "Metric",
    "MonitorMeasure",
    "SliceMetric",
    "Task",
    "base_task",
    "extensions",
    "known_tasks",
    "task_class",
    "task_of",
    "use_extensions",
]


def known_tasks() -> dict[str, type[Task]]:
    """Return every task by its name, with the metrics of extensions/. Raises ExtensionError."""
    return _tasks_with(extensions())


def task_class(name: str) -> type[Task]:
    """Return a task by its name. Raises SchemaError for an unknown one, with what to write."""
    known = known_tasks()
    if name in known:
        return known[name]
    if name in _REFUSED:
        hint = f"{_REFUSED[name]}; or " if _REFUSED[name] else ""
        raise SchemaError(
            f"the task {name!r} is not part of the template: {hint}write a task of your own in "
            f"extensions/{TASKS_FILE}, as docs/customise.md shows"
        )
    raise SchemaError(f"unknown task {name!r}{did_you_mean(name, known)}; known are {', '.join(known)}")


def task_of(schema: Schema) -> Task:
    """Return a schema's task. Raises SchemaError for an unknown one."""
    return task_class(schema.task)(schema)


def base_task(schema: Schema) -> str:
    """Return the name of the template's task that a schema's task is, or is a subclass of; "" for neither."""
    return task_class(schema.task).base


# One alone: an older one may hold a process of extensions/.
@lru_cache(maxsize=1)
def _tasks_with(added: Extensions) -> dict[str, type[Task]]:
    known = dict(TASKS)
    refuse_collisions(TASKS_FILE, "task", [each.name for each in added.tasks], known)
    known |= {each.name: each for each in added.tasks}
    measures = {each.name for task in known.values() for each in (*task.metrics, *task.slice_metrics, task.change)}
    refuse_collisions(METRICS_FILE, "measure", [each.name for each in added.metrics], measures)
    for metric in added.metrics:
        unknown = [task for task in metric.tasks if task not in known]
        if unknown:
            reason = f"{metric.name} names the unknown task {unknown[0]!r}; known are {', '.join(known)}"
            raise ExtensionError(METRICS_FILE, reason)
    return {name: with_metrics(task, added.metrics_of(name)) for name, task in known.items()}
