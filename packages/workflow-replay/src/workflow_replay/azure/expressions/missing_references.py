"""Finds references in an expression that do not exist, to explain why a condition is false. No I/O.

Azure Pipelines does not report a misspelled reference: its value is null, and the condition is just false.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow_replay.azure.expressions.errors import EvaluationError
from workflow_replay.azure.expressions.evaluation import Contexts, value_of
from workflow_replay.azure.expressions.parser import parse
from workflow_replay.azure.expressions.syntax import Availability, Call, Every, Expression, Literal, Member, Name
from workflow_replay.azure.expressions.values import to_text


def missing_references(text: str, available: Availability, contexts: Contexts) -> tuple[str, ...]:
    """Return the references in an expression whose value is null, as written. Raises InvalidExpression."""
    return tuple(dict.fromkeys(_find(parse(text, available), contexts)))


def _find(expression: Expression, contexts: Contexts) -> Iterator[str]:
    match expression:
        case Member():
            if _is_null(expression, contexts):
                yield _source(expression)
        case Call(_, arguments):
            for argument in arguments:
                yield from _find(argument, contexts)
        case _:
            return


def _is_null(expression: Expression, contexts: Contexts) -> bool:
    try:
        return value_of(expression, contexts) is None
    except EvaluationError:
        return False


def _source(expression: Expression) -> str:
    match expression:
        case Literal(value):
            return f"'{value}'" if isinstance(value, str) else to_text(value)
        case Name(name):
            return name
        case Member(target, Literal(str() as key)) if key.isidentifier():
            return f"{_source(target)}.{key}"
        case Member(target, key):
            return f"{_source(target)}[{_source(key)}]"
        case Every(target):
            return f"{_source(target)}.*"
        case Call(function, arguments):
            return f"{function}({', '.join(_source(argument) for argument in arguments)})"
