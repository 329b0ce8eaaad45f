"""Evaluates a parsed expression with given contexts and functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.functions import PURE, Function
from workflow_replay.github.expressions.syntax import Call, Compare, Constant, Context, Index, Junction, Node, Not
from workflow_replay.github.expressions.values import (
    Filtered,
    Value,
    equal,
    find,
    greater,
    has,
    is_primitive,
    to_number,
    to_text,
    truthy,
)


@dataclass(frozen=True)
class Scope:
    """The contexts that an expression sees, and the functions (lower case) that are not available everywhere."""

    contexts: Mapping[str, Value]
    functions: Mapping[str, Function] = field(default_factory=dict)

    def updated(self, **contexts: Value) -> Scope:
        """A copy with contexts added or replaced."""
        return Scope({**self.contexts, **contexts}, self.functions)


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of a parsed expression. Raises ExpressionError."""
    match node:
        case Constant(value=value):
            return value
        case Context(name=name):
            return scope.contexts.get(name)
        case Not(value=value):
            return not truthy(evaluate(value, scope))
        case Compare():
            return _compare(node, scope)
        case Junction():
            return _junction(node, scope)
        case Index(value=value, key=key):
            # The key comes first, as on the service: of two errors the first is reported.
            found = None if key is None else evaluate(key, scope)
            reached = evaluate(value, scope)
            return _all_of(reached) if key is None else _index(reached, found)
        case Call():
            return _call(node, scope)


def _compare(node: Compare, scope: Scope) -> bool:
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    match node.operator:
        case "==":
            return equal(left, right)
        case "!=":
            return not equal(left, right)
        case ">":
            return greater(left, right)
        case ">=":
            return equal(left, right) or greater(left, right)
        case "<":
            return greater(right, left)
        case "<=":
            return equal(left, right) or greater(right, left)


def _junction(node: Junction, scope: Scope) -> Value:
    ends_at = node.operator == "||"
    value: Value = None
    for part in node.parts:
        value = evaluate(part, scope)
        if truthy(value) == ends_at:
            break
    return value


def _call(node: Call, scope: Scope) -> Value:
    function = PURE.get(node.name) or scope.functions.get(node.name)
    if function is None:
        raise ExpressionError(f"the function {node.name!r} cannot be used here")
    return function([evaluate(argument, scope) for argument in node.arguments])


def _all_of(value: Value) -> Filtered:
    members: list[Value] = []
    for container in value if isinstance(value, Filtered) else [value]:
        if isinstance(container, Mapping):
            members += container.values()
        elif isinstance(container, list):
            members += container
    return Filtered(members)


def _index(value: Value, key: Value) -> Value:
    if isinstance(value, Filtered):
        return Filtered(_entry(member, key) for member in value if _has_entry(member, key))
    return _entry(value, key)


def _has_entry(value: Value, key: Value) -> bool:
    if isinstance(value, Mapping):
        return is_primitive(key) and has(value, to_text(key))
    return isinstance(value, list) and _position(value, key) is not None


def _entry(value: Value, key: Value) -> Value:
    if isinstance(value, Mapping):
        return find(value, to_text(key)) if is_primitive(key) else None
    if isinstance(value, list):
        position = _position(value, key)
        return None if position is None else value[position]
    return None


def _position(value: Sequence[Value], key: Value) -> int | None:
    number = to_number(key)
    if math.isnan(number) or math.isinf(number) or number < 0:
        return None
    position = math.floor(number)
    return position if position < len(value) else None
