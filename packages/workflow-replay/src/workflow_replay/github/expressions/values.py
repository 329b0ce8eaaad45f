"""The values of expressions and their conversions: null, boolean, number, string, array, object.

In Python: None, bool, float, str, list and dict. The keys of objects are case-insensitive, except in CaseSensitive.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, TypeAlias

from workflow_replay.github.expressions.errors import ExpressionError

Value: TypeAlias = bool | float | str | Sequence[Any] | Mapping[str, Any] | None

_DECIMAL: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_PREFIXED: Final = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+", re.ASCII)
_INFINITY: Final = re.compile(r"[-+]?Infinity")
# White space that is ignored around a number.
_WHITE_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    chr(code) for code in range(0x2000, 0x200B)
)
_DOTLESS_I: Final = "\u0131"
_DIGITS: Final = Decimal("1e-15")
# Enough for the integer part and 15 decimals of every number that is written without an exponent.
_EXACT: Final = Context(prec=60)
# Numbers between these are written without an exponent.
_LARGEST_PLAIN_EXPONENT: Final = 21
_SMALLEST_PLAIN_EXPONENT: Final = -7


class CaseSensitive(dict[str, Any]):
    """An object with case-sensitive keys: `env`."""


class Filtered(list[Any]):
    """The result of `.*`: an array to whose members further indices apply."""


def normal(value: Any) -> Value:
    """A YAML or JSON value as a value of expressions: all numbers are floats."""
    match value:
        case bool() | str() | float() | None:
            return value
        case int():
            return float(value)
        case CaseSensitive():
            return value
        case Mapping():
            return {str(key): normal(inner) for key, inner in value.items()}
        case Sequence():
            return [normal(inner) for inner in value]
    raise ExpressionError(f"{type(value).__name__} is not a value of expressions")


def is_primitive(value: Value) -> bool:
    """Whether a value is neither an array nor an object."""
    return value is None or isinstance(value, bool | float | int | str)


def truthy(value: Value) -> bool:
    """Whether a value counts as true: all but false, 0, NaN, the empty string and null do."""
    match value:
        case None:
            return False
        case bool():
            return value
        case int() | float():
            return value != 0 and not math.isnan(value)
        case str():
            return value != ""
        case _:
            return True


def to_number(value: Value) -> float:
    """A value as a number; NaN for arrays, objects and strings that are not numbers."""
    match value:
        case None:
            return 0.0
        case bool() | int() | float():
            return float(value)
        case str():
            return _parse_number(value)
        case _:
            return math.nan


def to_text(value: Value) -> str:
    """A value as a string; "Array" and "Object" for arrays and objects."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number_text(float(value))
        case str():
            return value
        case Mapping():
            return "Object"
        case _:
            return "Array"


def number_text(number: float) -> str:
    """A number with at most 15 decimals, as JavaScript writes it."""
    if number == 0:
        return "0"
    if math.isnan(number) or math.isinf(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    if abs(number) < 10**_LARGEST_PLAIN_EXPONENT:
        number = float(Decimal(number).quantize(_DIGITS, rounding=ROUND_HALF_UP, context=_EXACT))
    return "0" if number == 0 else shortest(number)


def shortest(number: float) -> str:
    """The shortest decimal text that reads back as this number."""
    sign = "-" if number < 0 else ""
    _, digits, exponent = Decimal(repr(abs(number))).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    if 0 < point <= _LARGEST_PLAIN_EXPONENT:
        whole = text.ljust(point, "0")
        return sign + (whole if len(text) <= point else f"{text[:point]}.{text[point:]}")
    if _SMALLEST_PLAIN_EXPONENT + 1 < point <= 0:
        return f"{sign}0.{'0' * -point}{text}"
    mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
    return f"{sign}{mantissa}e{point - 1:+d}"


def folded(text: str) -> str:
    """A string for case-insensitive comparison: in upper case, except for the dotless i."""
    return _DOTLESS_I.join(part.upper() for part in text.split(_DOTLESS_I))


def equal(left: Value, right: Value) -> bool:
    """Whether two values are equal: strings ignore case, mixed types compare as numbers, objects by identity."""
    left, right = _same_kind(left, right)
    if _kind(left) != _kind(right):
        return False
    match left, right:
        case (None, None):
            return True
        case str(), str():
            return folded(left) == folded(right)
        case ((bool() | float() | int()), (bool() | float() | int())):
            return left == right
        case _:
            return left is right


def greater(left: Value, right: Value) -> bool:
    """Whether the left value is greater; False if the two cannot be compared."""
    left, right = _same_kind(left, right)
    match left, right:
        case str(), str():
            return _units(folded(left)) > _units(folded(right))
        case bool(), bool():
            return left and not right
        case ((float() | int()), (float() | int())) if _kind(left) == _kind(right):
            return left > right
        case _:
            return False


def find(value: Mapping[str, Any], key: str) -> Value:
    """The value of a key in an object, null if it is missing."""
    if isinstance(value, CaseSensitive):
        return value.get(key)
    wanted = key.lower()
    return next((inner for name, inner in value.items() if name.lower() == wanted), None)


def has(value: Mapping[str, Any], key: str) -> bool:
    """Whether an object has a key."""
    if isinstance(value, CaseSensitive):
        return key in value
    return key.lower() in (name.lower() for name in value)


def from_json(text: str) -> Value:
    """Read JSON. Raises ExpressionError."""
    if not text.strip():
        raise ExpressionError("fromJSON: the text is empty")
    try:
        return _unique(json.loads(text, parse_constant=_no_constant, strict=True))
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"fromJSON: invalid JSON: {error}") from error


def to_json(value: Value, indent: str = "") -> str:
    """A value as JSON, indented by two spaces per level."""
    inner = indent + "  "
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            number = float(value)
            return ("0" if number == 0 else shortest(number)) if math.isfinite(number) else "null"
        case Mapping():
            entries = [
                f"{inner}{json.dumps(key, ensure_ascii=False)}: {to_json(normal(item), inner)}"
                for key, item in value.items()
            ]
            brackets = "{}"
        case _:
            entries = [f"{inner}{to_json(normal(item), inner)}" for item in value]
            brackets = "[]"
    joined = ",\n".join(entries)
    return f"{brackets[0]}\n{joined}\n{indent}{brackets[1]}" if entries else brackets


def _parse_number(text: str) -> float:
    trimmed = text.strip(_WHITE_SPACE)
    if not trimmed:
        return 0.0
    if _PREFIXED.fullmatch(trimmed):
        return float(int(trimmed, 0))
    if _DECIMAL.fullmatch(trimmed) or _INFINITY.fullmatch(trimmed):
        return float(trimmed)
    return math.nan


def _same_kind(left: Value, right: Value) -> tuple[Value, Value]:
    kinds = _kind(left), _kind(right)
    if kinds[0] == kinds[1]:
        return left, right
    if "object" in kinds or "array" in kinds:
        return left, right
    return to_number(left), to_number(right)


def _kind(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"


def _units(text: str) -> bytes:
    # Strings are ordered by their UTF-16 code units.
    return text.encode("utf-16-be", "surrogatepass")


def _unique(value: Any) -> Value:
    """Of keys that differ only in case, keep the first."""
    match value:
        case dict():
            kept: dict[str, Any] = {}
            seen: set[str] = set()
            for key, inner in value.items():
                if key.lower() not in seen:
                    seen.add(key.lower())
                    kept[key] = _unique(inner)
            return kept
        case list():
            return [_unique(inner) for inner in value]
        case _:
            return normal(value)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")
