"""Why a condition came out as it did: the members that it asks for and that are not there. Pure.

A wrong name is no error in Azure Pipelines: it is nothing, and the condition quietly does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow_replay.azure.expressions.evaluation import Contexts, value_of
from workflow_replay.azure.expressions.failures import EvaluationFailed
from workflow_replay.azure.expressions.parser import parse
from workflow_replay.azure.expressions.syntax import Call, Every, Expression, Literal, Member, Name, Place
from workflow_replay.azure.expressions.values import to_text


def missing(text: str, place: Place, contexts: Contexts) -> tuple[str, ...]:
    """Return the members in an expression that are nothing, as they are written. Raises ExpressionInvalid."""
    return tuple(dict.fromkeys(_missing(parse(text, place), contexts)))


def _missing(expression: Expression, contexts: Contexts) -> Iterator[str]:
    match expression:
        case Member():
            if _is_nothing(expression, contexts):
                yield _written(expression)
        case Call(_, arguments):
            for argument in arguments:
                yield from _missing(argument, contexts)
        case _:
            return


def _is_nothing(expression: Expression, contexts: Contexts) -> bool:
    try:
        return value_of(expression, contexts) is None
    except EvaluationFailed:
        return False


def _written(expression: Expression) -> str:
    match expression:
        case Literal(value):
            return f"'{value}'" if isinstance(value, str) else to_text(value)
        case Name(name):
            return name
        case Member(target, Literal(str() as key)) if key.isidentifier():
            return f"{_written(target)}.{key}"
        case Member(target, key):
            return f"{_written(target)}[{_written(key)}]"
        case Every(target):
            return f"{_written(target)}.*"
        case Call(function, arguments):
            return f"{function}({', '.join(_written(argument) for argument in arguments)})"
