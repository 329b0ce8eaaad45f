"""The tasks that a model can have, each ONE module behind one interface; outside nothing names an output or a metric.

Loads no numpy.
"""

from model_package.schema import Schema
from model_package.tasks.binary_classification import BinaryClassification
from model_package.tasks.multiclass_classification import MulticlassClassification
from model_package.tasks.regression import Regression
from model_package.tasks.task import Metric, SliceMetric, Task

_ALL: tuple[type[Task], ...] = (BinaryClassification, MulticlassClassification, Regression)
TASKS: dict[str, type[Task]] = {each.name: each for each in _ALL}

__all__ = ["TASKS", "Metric", "SliceMetric", "Task", "task_of"]


def task_of(schema: Schema) -> Task:
    """Return a schema's task."""
    return TASKS[schema.task](schema)
