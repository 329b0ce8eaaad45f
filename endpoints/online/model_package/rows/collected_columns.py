"""The columns of collected requests: those beside the features, and what a feature of the same name is called. Pure.

Endpoints write these names, and steps and the command read them.
"""

from model_package.tasks.task import Task

INPUTS = "model_inputs"
OUTPUTS = "model_outputs"
CORRELATION_ID, ROW, TIME = "correlation_id", "row", "time"
MODEL_VERSION, DEPLOYMENT = "model_version", "deployment"
IDENTITY = (CORRELATION_ID, ROW)
# Where inputs, answers and outcomes are read together: a hash of the identity, and what became true.
KEY, OUTCOME = "key", "outcome"
# Before the name of a feature that is called like one of these columns.
_PREFIX = "data."


def reserved(task: Task) -> frozenset[str]:
    """Return the columns that stand beside the features, in one collection or when both are read together."""
    return frozenset({*IDENTITY, TIME, *task.column_kinds, MODEL_VERSION, DEPLOYMENT, KEY, OUTCOME})


def collected_name(feature: str, task: Task) -> str:
    """Return the column that holds a feature where requests are collected: its name, or `data.` and its name.

    No two features share a column: a name that begins with `data.` gets the prefix too.
    """
    is_taken = feature in reserved(task) or feature.startswith(_PREFIX)
    return f"{_PREFIX}{feature}" if is_taken else feature


def feature_name(column: str) -> str:
    """Return the feature that a column holds."""
    return column.removeprefix(_PREFIX)
