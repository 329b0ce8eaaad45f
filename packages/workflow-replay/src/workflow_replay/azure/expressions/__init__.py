"""The expression language of Azure Pipelines, which `${{ }}`, `$[ ]` and conditions share."""

from __future__ import annotations

from workflow_replay.azure.expressions.errors import EvaluationError, ExpressionError, InvalidExpression
from workflow_replay.azure.expressions.evaluation import Contexts, evaluate, value_of
from workflow_replay.azure.expressions.missing_references import missing_references
from workflow_replay.azure.expressions.parser import parse
from workflow_replay.azure.expressions.values import CaseInsensitiveDict, Value, to_boolean, to_text

__all__ = [
    "CaseInsensitiveDict",
    "Contexts",
    "EvaluationError",
    "ExpressionError",
    "InvalidExpression",
    "Value",
    "evaluate",
    "missing_references",
    "parse",
    "to_boolean",
    "to_text",
    "value_of",
]
