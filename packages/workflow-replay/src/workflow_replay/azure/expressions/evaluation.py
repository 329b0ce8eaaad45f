"""Evaluates expressions with given contexts and functions. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_replay.azure.expressions.functions import GENERAL, Function
from workflow_replay.azure.expressions.parser import parse
from workflow_replay.azure.expressions.syntax import Availability, Call, Every, Expression, Literal, Member, Name
from workflow_replay.azure.expressions.values import Value, equal, every, member, to_boolean


@dataclass(frozen=True)
class Contexts:
    """The values of names, and functions beyond the general ones; the keys of both are in lower case."""

    names: Mapping[str, Value]
    functions: Mapping[str, Function] = field(default_factory=dict)


def evaluate(text: str, available: Availability, contexts: Contexts) -> Value:
    """Return the value of an expression. Raises InvalidExpression and EvaluationError."""
    return value_of(parse(text, available), contexts)


def value_of(expression: Expression, contexts: Contexts) -> Value:
    """Return the value of a parsed expression. Raises EvaluationError."""
    match expression:
        case Literal(value):
            return value
        case Name(name):
            return contexts.names.get(name)
        case Every(target):
            return every(value_of(target, contexts))
        case Member(target, key):
            return member(value_of(target, contexts), value_of(key, contexts))
        case Call(function, arguments):
            return _call(function, arguments, contexts)


def _call(function: str, arguments: tuple[Expression, ...], contexts: Contexts) -> Value:
    match function:
        case "and":
            return all(to_boolean(value_of(argument, contexts)) for argument in arguments)
        case "or":
            return any(to_boolean(value_of(argument, contexts)) for argument in arguments)
        case "in" | "notin":
            left = value_of(arguments[0], contexts)
            found = any(equal(left, value_of(argument, contexts)) for argument in arguments[1:])
            return found if function == "in" else not found
        case "coalesce":
            values = (value_of(argument, contexts) for argument in arguments)
            return next((value for value in values if value is not None and value != ""), None)
    implementation = contexts.functions.get(function) or GENERAL[function]
    return implementation(*(value_of(argument, contexts) for argument in arguments))
