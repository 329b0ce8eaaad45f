"""What can be wrong with an expression: with its text (ExpressionInvalid) or with what it meets (EvaluationFailed).

Messages are those of Azure Pipelines, so that a search for them finds its documentation.
"""

from __future__ import annotations

from workflow_replay.errors import ReplayError


class ExpressionError(ReplayError):
    """Something is wrong with an expression."""


class ExpressionInvalid(ExpressionError):
    """The text is no expression, or names what does not exist where it stands; `position` counts from 1, 0 is none."""

    def __init__(self, sentence: str, expression: str = "", position: int = 0) -> None:
        located = f". Located at position {position} within expression: '{expression}'" if position else ""
        super().__init__(f"{sentence}{located}")


class EvaluationFailed(ExpressionError):
    """The expression is well formed and cannot be evaluated with the values it meets."""


class ConversionFailed(EvaluationFailed):
    """A value has no form of the kind that is needed."""


class KeyNotFound(EvaluationFailed):
    """A parameter that nobody declared."""
