"""Errors of expressions: invalid text (InvalidExpression) or unsuitable values (EvaluationError).

The messages are those of Azure Pipelines, so that a search for them finds its documentation.
"""

from __future__ import annotations

from workflow_replay.errors import ReplayError


class ExpressionError(ReplayError):
    """An expression is invalid or cannot be evaluated."""


class InvalidExpression(ExpressionError):
    """The text is not an expression, or uses an unavailable name; `position` counts from 1, 0 means unknown."""

    def __init__(self, sentence: str, expression: str = "", position: int = 0) -> None:
        located = f". Located at position {position} within expression: '{expression}'" if position else ""
        super().__init__(f"{sentence}{located}")


class EvaluationError(ExpressionError):
    """A valid expression cannot be evaluated with its values."""


class ConversionError(EvaluationError):
    """A value cannot be converted to the required type."""


class KeyNotFound(EvaluationError):
    """A parameter is not declared."""
