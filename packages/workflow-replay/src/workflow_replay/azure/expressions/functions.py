"""The general functions of expressions, given evaluated arguments. No I/O.

`and`, `or`, `in`, `notIn` and `coalesce` short-circuit; they are in evaluation.py. `iif` evaluates all of its
arguments, as the service does. Undocumented, and assumed here: `length` of an object counts its keys, that of any
other value the characters of its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from workflow_replay.azure.expressions.errors import EvaluationError
from workflow_replay.azure.expressions.values import (
    Value,
    Version,
    equal,
    order,
    to_boolean,
    to_text,
)

Function = Callable[..., Value]

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d+)(?::([^{}]*))?\}|[{}]")
_DATE_PART = re.compile(r"yyyy|yy|MM|M|dd|d|HH|H|mm|m|ss|s|f{1,6}|K|'[^']*'")


def contains(left: Value, right: Value) -> bool:
    """Tell whether the left text contains the right one, ignoring case."""
    return to_text(right).upper() in to_text(left).upper()


def contains_value(collection: Value, wanted: Value) -> bool:
    """Tell whether an array or object contains a value; each member is converted to the type of that value."""
    if isinstance(collection, Mapping):
        return any(_same(collection[key], wanted) for key in collection)
    return isinstance(collection, list) and any(_same(item, wanted) for item in collection)


def join(separator: Value, items: Value) -> str:
    """Return the members of an array as text, joined by a separator; any other value as its text."""
    if not isinstance(items, list):
        return to_text(items)
    return to_text(separator).join("" if isinstance(item, Mapping | list) else to_text(item) for item in items)


def split(text: Value, separator: Value) -> list[Value]:
    """Split a text at a case-sensitive separator; an empty one does not split."""
    mark = to_text(separator)
    return list(to_text(text).split(mark)) if mark else [to_text(text)]


def replace(text: Value, old: Value, new: Value) -> str:
    """Replace each case-sensitive occurrence of `old`."""
    return to_text(text).replace(to_text(old), to_text(new)) if to_text(old) else to_text(text)


def length(value: Value) -> float:
    """Return the number of members, keys or characters."""
    return float(len(value) if isinstance(value, Mapping | list) else len(to_text(value)))


def choose(condition: Value, when_true: Value, when_false: Value) -> Value:
    """Return one of two values."""
    return when_true if to_boolean(condition) else when_false


def to_json(value: Value) -> str:
    """Return a value as indented JSON."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def formatted(pattern: Value, *arguments: Value) -> str:
    """Replace `{n}` and `{n:date format}` in a text. Raises EvaluationError for an invalid format string."""
    text = to_text(pattern)

    def filled(match: re.Match[str]) -> str:
        mark = match.group(0)
        if mark in ("{{", "}}"):
            return mark[0]
        if match.group(1) is None:
            raise EvaluationError(f"The following format string is invalid: '{text}'")
        if int(match.group(1)) >= len(arguments):
            raise EvaluationError(f"The following format string references more arguments than were supplied: '{text}'")
        return _argument_text(arguments[int(match.group(1))], match.group(2))

    return _PLACEHOLDER.sub(filled, text)


def _argument_text(value: Value, date_format: str | None) -> str:
    if date_format is None:
        return to_text(value)
    if not isinstance(value, datetime):
        raise EvaluationError(
            f"The format specifier '{date_format}' applies only to dates, such as pipeline.startTime."
        )
    return _DATE_PART.sub(lambda match: _date_part(value, match.group(0)), date_format)


def _date_part(value: datetime, part: str) -> str:
    numbers: dict[str, int] = {
        "y": value.year, "M": value.month, "d": value.day, "H": value.hour, "m": value.minute, "s": value.second,
    }  # fmt: skip
    if part[0] == "'":
        return part[1:-1]
    if part[0] == "f":
        return f"{value.microsecond:06}"[: len(part)]
    if part == "K":
        return "Z"
    if part == "yy":
        return f"{value.year % 100:02}"
    return f"{numbers[part[0]]:0{len(part)}}"


def _same(item: Value, wanted: Value) -> bool:
    return equal(wanted, item)


def _plain(value: Value) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in value}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return to_text(value) if isinstance(value, Version | datetime) else value


def _starts(left: Value, right: Value) -> bool:
    return to_text(left).upper().startswith(to_text(right).upper())


def _ends(left: Value, right: Value) -> bool:
    return to_text(left).upper().endswith(to_text(right).upper())


GENERAL: Mapping[str, Function] = {
    "contains": contains,
    "containsvalue": contains_value,
    "converttojson": to_json,
    "endswith": _ends,
    "eq": equal,
    "format": formatted,
    "ge": lambda left, right: order(left, right) >= 0,
    "gt": lambda left, right: order(left, right) > 0,
    "iif": choose,
    "join": join,
    "le": lambda left, right: order(left, right) <= 0,
    "length": length,
    "lower": lambda value: to_text(value).lower(),
    "lt": lambda left, right: order(left, right) < 0,
    "ne": lambda left, right: not equal(left, right),
    "not": lambda value: not to_boolean(value),
    "replace": replace,
    "split": split,
    "startswith": _starts,
    "trim": lambda value: to_text(value).strip(),
    "upper": lambda value: to_text(value).upper(),
    "xor": lambda left, right: to_boolean(left) != to_boolean(right),
}
