"""The values of Azure Pipelines' expressions and their conversions. No I/O.

Seven types: Null (None), Boolean, Number (a double), String, Version, Object (a mapping) and Array (a list), and
DateTime for `pipeline.startTime` alone. Objects and arrays are equal only to themselves.

The documentation says that strings are converted to numbers by `Int32.TryParse`; the service accepts decimals and
thousands separators too, and so does this module. Undocumented, and assumed here: keys of a context (`variables`,
`dependencies`) are case-insensitive, keys of an object parameter are case-sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from workflow_replay.azure.expressions.errors import ConversionError, KeyNotFound

_NUMBER = re.compile(r"\s*[+-]?(?=[\d.])[\d,]*(\.\d*)?\s*\Z")
_VERSION = re.compile(r"\d+(\.\d+){1,3}\Z")
_WHOLE_NUMBERS_EXACT_BELOW = 1e15


@dataclass(frozen=True, order=True)
class Version:
    """A version of two to four numbers; a literal has three or four."""

    parts: tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.parts)


Value: TypeAlias = bool | float | str | Version | datetime | Mapping[str, "Value"] | Sequence["Value"] | None


class CaseInsensitiveDict(Mapping[str, Value]):
    """An object with case-insensitive keys, such as a context.

    With `strict`, a missing key is an error (KeyNotFound) instead of Null, as in `parameters`.
    """

    def __init__(self, entries: Mapping[str, Value], *, strict: bool = False) -> None:
        self._entries = dict(entries)
        self._folded = {key.casefold(): key for key in entries}
        self._strict = strict

    def __getitem__(self, key: str) -> Value:
        return self._entries[self._folded[key.casefold()]]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.casefold() in self._folded

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Value:
        """Return the value of a key, Null if it is missing. Raises KeyNotFound if the object is strict."""
        if key in self:
            return self[key]
        if self._strict:
            raise KeyNotFound(f"Key not found '{key}'")
        return None


class Filtered(list[Value]):
    """The result of `*`: an array to whose members further lookups apply."""


def kind(value: Value) -> str:
    """Return the name of a value's type, as in Azure's messages."""
    if value is None:
        return "Null"
    for python_type, name in _KINDS:
        if isinstance(value, python_type):
            return name
    raise TypeError(f"{type(value).__name__} is not a value of expressions")


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "Boolean"),
    (int, "Number"),
    (float, "Number"),
    (str, "String"),
    (Version, "Version"),
    (datetime, "DateTime"),
    (Mapping, "Object"),
    (Sequence, "Array"),
)


def to_boolean(value: Value) -> bool:
    """Return whether a value counts as true: all but Null, false, zero and the empty string do."""
    return not (value is None or value is False or value == "" or (isinstance(value, int | float) and value == 0))


def to_text(value: Value) -> str:
    """Return a value as a string. Raises ConversionError for objects and arrays."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int | float):
        return _number_text(float(value))
    if isinstance(value, str | Version):
        return str(value)
    if isinstance(value, datetime):
        return value.strftime("%m/%d/%Y %H:%M:%S")
    raise ConversionError(f"Unable to convert from {kind(value)} to String. Value: {kind(value)}")


def to_number(value: Value) -> float:
    """Return a value as a number. Raises ConversionError."""
    if value is None:
        return 0.0
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        if value == "":
            return 0.0
        if _NUMBER.match(value) and any(character.isdigit() for character in value):
            return float(value.replace(",", ""))
    raise ConversionError(f"Unable to convert from {kind(value)} to Number. Value: {_display(value)}")


def converted(value: Value, like: Value) -> Value:
    """Convert `value` to the type of `like`. Raises ConversionError."""
    target = kind(like)
    if kind(value) == target:
        return value
    if target == "Null" and value == "":
        return None
    if target == "Boolean" and not isinstance(value, Mapping | list):
        return to_boolean(value)
    if target == "Number":
        return to_number(value)
    if target == "String":
        return to_text(value)
    if target == "Version":
        return _to_version(value)
    raise ConversionError(f"Unable to convert from {kind(value)} to {target}. Value: {_display(value)}")


def equal(left: Value, right: Value) -> bool:
    """Return whether two values are equal, with the right one converted to the type of the left one."""
    if isinstance(left, Mapping | list):
        return left is right
    try:
        other = converted(right, left)
    except ConversionError:
        return False
    if isinstance(left, str) and isinstance(other, str):
        return left.upper() == other.upper()
    return left == other


def order(left: Value, right: Value) -> int:
    """Return -1, 0 or 1 if the left value is less than, equal to or greater than the right. Raises ConversionError."""
    if isinstance(left, Mapping | list):
        raise ConversionError(f"Unable to convert from {kind(left)} to Number. Value: {kind(left)}")
    other = converted(right, left)
    if left is None:
        return 0
    if isinstance(left, str) and isinstance(other, str):
        return _sign(left.upper(), other.upper())
    if isinstance(left, Version) and isinstance(other, Version):
        return _sign(left.parts, other.parts)
    if isinstance(left, datetime) and isinstance(other, datetime):
        return _sign(left, other)
    return _sign(to_number(left), to_number(other))


def member(target: Value, key: Value) -> Value:
    """Return the member of an object or array at `key`; Null if it is missing, or for other values.

    Raises KeyNotFound for a strict object (`parameters`).
    """
    if isinstance(target, Filtered):
        found = [member(item, key) for item in target if _has(item, key)]
        return Filtered(found)
    if isinstance(target, CaseInsensitiveDict):
        return target.find(to_text(key))
    if isinstance(target, Mapping):
        return None if isinstance(key, Mapping | list) else target.get(to_text(key))
    if isinstance(target, list):
        return _at(target, key)
    return None


def every(target: Value) -> Filtered:
    """Return the members of an array or the values of an object, for `*`; nothing for other values."""
    if isinstance(target, Filtered):
        return Filtered(inner for item in target for inner in every(item))
    if isinstance(target, Mapping):
        return Filtered(target[key] for key in target)
    return Filtered(target if isinstance(target, list) else [])


def _has(item: Value, key: Value) -> bool:
    if isinstance(item, Mapping):
        return to_text(key) in item
    return isinstance(item, list) and _at(item, key) is not None


def _at(items: Sequence[Value], key: Value) -> Value:
    try:
        index = to_number(key)
    except ConversionError:
        return None
    return items[int(index)] if 0 <= index < len(items) else None


def _to_version(value: Value) -> Version:
    text = to_text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not _VERSION.match(text):
        raise ConversionError(f"Unable to convert from {kind(value)} to Version. Value: {_display(value)}")
    return Version(tuple(int(part) for part in text.split(".")))


def _number_text(number: float) -> str:
    if abs(number) < _WHOLE_NUMBERS_EXACT_BELOW and number == int(number):
        return str(int(number))
    return repr(number)


def _display(value: Value) -> str:
    return kind(value) if isinstance(value, Mapping | list) else f"'{to_text(value)}'"


def _sign(left: object, right: object) -> int:
    return (left > right) - (left < right)  # ty: ignore[unsupported-operator]
