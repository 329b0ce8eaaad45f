"""The expressions of Azure Pipelines: `${{ }}`, `$[ ]` and conditions share one language in different places."""

from __future__ import annotations

from workflow_replay.azure.expressions.evaluation import Contexts, evaluate, value_of
from workflow_replay.azure.expressions.explaining import missing
from workflow_replay.azure.expressions.failures import EvaluationFailed, ExpressionError, ExpressionInvalid
from workflow_replay.azure.expressions.parser import parse
from workflow_replay.azure.expressions.values import Folded, Value, to_boolean, to_text

__all__ = [
    "Contexts",
    "EvaluationFailed",
    "ExpressionError",
    "ExpressionInvalid",
    "Folded",
    "Value",
    "evaluate",
    "missing",
    "parse",
    "to_boolean",
    "to_text",
    "value_of",
]
