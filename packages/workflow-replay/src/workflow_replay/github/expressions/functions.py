"""The functions of expressions that depend on their arguments only, and the number of arguments of all functions.

Status functions such as `success`, and `hashFiles`, are passed to evaluation.py by the code that runs jobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.values import (
    Value,
    equal,
    folded,
    from_json,
    is_primitive,
    to_json,
    to_text,
)

Function = Callable[[Sequence[Value]], Value]

_MANY: Final = 255
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([0-9]+)[^{}]*\}|[{}]", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """The number of arguments of a function, and whether it is available everywhere."""

    minimum: int
    maximum: int
    everywhere: bool = True
    odd: bool = False

    def check(self, name: str, count: int) -> None:
        """Raise ExpressionError for a wrong number of arguments."""
        if count < self.minimum:
            raise ExpressionError(f"too few parameters for {name!r}: {count} of at least {self.minimum}")
        if count > self.maximum:
            raise ExpressionError(f"too many parameters for {name!r}: {count} of at most {self.maximum}")
        if self.odd and count % 2 == 0:
            raise ExpressionError(f"{name!r} requires an odd number of parameters, not {count}")


ARGUMENTS: Final[Mapping[str, Limits]] = {
    "case": Limits(3, _MANY, odd=True),
    "contains": Limits(2, 2),
    "endswith": Limits(2, 2),
    "format": Limits(1, _MANY),
    "fromjson": Limits(1, 1),
    "join": Limits(1, 2),
    "startswith": Limits(2, 2),
    "tojson": Limits(1, 1),
    "always": Limits(0, 0, everywhere=False),
    "cancelled": Limits(0, 0, everywhere=False),
    "failure": Limits(0, _MANY, everywhere=False),
    "success": Limits(0, _MANY, everywhere=False),
    "hashfiles": Limits(1, _MANY, everywhere=False),
}


def _case(arguments: Sequence[Value]) -> Value:
    for condition, value in zip(arguments[:-1:2], arguments[1::2], strict=True):
        if not isinstance(condition, bool):
            raise ExpressionError("a condition of `case` must be a boolean")
        if condition:
            return value
    return arguments[-1]


def _contains(arguments: Sequence[Value]) -> Value:
    searched, item = arguments
    if is_primitive(searched):
        return is_primitive(item) and to_text(item).lower() in to_text(searched).lower()
    if isinstance(searched, Mapping):
        return False
    return any(equal(item, member) for member in _members(searched))


def _starts_with(arguments: Sequence[Value]) -> Value:
    return _both_primitive(arguments) and _fold(arguments[0]).startswith(_fold(arguments[1]))


def _ends_with(arguments: Sequence[Value]) -> Value:
    return _both_primitive(arguments) and _fold(arguments[0]).endswith(_fold(arguments[1]))


def _format(arguments: Sequence[Value]) -> Value:
    text = to_text(arguments[0])

    def replaced(match: re.Match[str]) -> str:
        found = match.group()
        if found in ("{{", "}}"):
            return found[0]
        if match.group(1) is None:
            raise ExpressionError(f"the format string is invalid: {text}")
        position = int(match.group(1)) + 1
        if position >= len(arguments):
            raise ExpressionError(f"the format string references more arguments than were supplied: {text}")
        return to_text(arguments[position])

    return _PLACEHOLDER.sub(replaced, text)


def _join(arguments: Sequence[Value]) -> Value:
    values = arguments[0]
    if is_primitive(values):
        return to_text(values)
    if isinstance(values, Mapping):
        return ""
    separator = to_text(arguments[1]) if len(arguments) > 1 and is_primitive(arguments[1]) else ","
    return separator.join(to_text(value) for value in _members(values))


def _from_json(arguments: Sequence[Value]) -> Value:
    return from_json(to_text(arguments[0]))


def _to_json(arguments: Sequence[Value]) -> Value:
    return to_json(arguments[0])


PURE: Final[Mapping[str, Function]] = {
    "case": _case,
    "contains": _contains,
    "endswith": _ends_with,
    "format": _format,
    "fromjson": _from_json,
    "join": _join,
    "startswith": _starts_with,
    "tojson": _to_json,
}


def _members(value: Value) -> Sequence[Value]:
    return value if isinstance(value, list) else []


def _both_primitive(arguments: Sequence[Value]) -> bool:
    return all(is_primitive(argument) for argument in arguments)


def _fold(value: Value) -> str:
    return folded(to_text(value))
