"""Splits an expression into tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.values import Value, to_number

Kind = Literal["symbol", "literal", "identifier", "end"]

MAXIMUM_LENGTH: Final = 21_000
_WORDS: Final[dict[str, Value]] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": math.nan,
    "Infinity": math.inf,
}
_SYMBOLS: Final = ("!=", "==", ">=", "<=", "&&", "||", "!", ">", "<", "(", ")", "[", "]", ",", "*")
_BOUNDARY: Final = "()[],.!><=&|"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STRING: Final = re.compile(r"'((?:[^']|'')*)'")
# A dot after these dereferences a property; after anything else it starts a number.
_BEFORE_A_DOT: Final = ("]", ")", "*")


@dataclass(frozen=True)
class Token:
    """A token; only literals have a `value`."""

    kind: Kind
    text: str
    position: int
    value: Value = None


def tokens(expression: str) -> list[Token]:
    """The tokens of an expression, the last one of kind "end". Raises ExpressionError."""
    if len(expression) > MAXIMUM_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAXIMUM_LENGTH} characters")
    found: list[Token] = []
    position = 0
    while position < len(expression):
        if expression[position] in " \r\t\n":
            position += 1
            continue
        token, position = _next(expression, position, found[-1] if found else None)
        found.append(token)
    return [*found, Token("end", "", position)]


def _next(expression: str, position: int, before: Token | None) -> tuple[Token, int]:
    character = expression[position]
    if character == "'":
        return _string(expression, position)
    if character == "." and before is not None and (before.kind == "identifier" or before.text in _BEFORE_A_DOT):
        return Token("symbol", ".", position), position + 1
    if character in "+-." or "0" <= character <= "9":
        return _number(expression, position)
    symbol = next((symbol for symbol in _SYMBOLS if expression.startswith(symbol, position)), None)
    if symbol is not None:
        return Token("symbol", symbol, position), position + len(symbol)
    return _word(expression, position, after_dot=before is not None and before.text == "." and before.kind == "symbol")


def _string(expression: str, position: int) -> tuple[Token, int]:
    match = _STRING.match(expression, position)
    if match is None:
        raise _unexpected(expression[position:], position)
    value = match.group(1).replace("''", "'")
    return Token("literal", match.group(), position, value), match.end()


def _number(expression: str, position: int) -> tuple[Token, int]:
    end = position + 1
    while end < len(expression) and (expression[end] == "." or not _is_boundary(expression[end])):
        end += 1
    text = expression[position:end]
    value = to_number(text)
    if isinstance(value, float) and math.isnan(value):
        raise _unexpected(text, position)
    return Token("literal", text, position, value), end


def _word(expression: str, position: int, *, after_dot: bool) -> tuple[Token, int]:
    end = position + 1
    while end < len(expression) and not _is_boundary(expression[end]):
        end += 1
    text = expression[position:end]
    if not _NAME.fullmatch(text):
        raise _unexpected(text, position)
    if text in _WORDS and not after_dot:
        return Token("literal", text, position, _WORDS[text]), end
    return Token("identifier", text, position), end


def _is_boundary(character: str) -> bool:
    return character in _BOUNDARY or character.isspace()


def _unexpected(text: str, position: int) -> ExpressionError:
    return ExpressionError(f"unexpected symbol {text!r} at position {position + 1}")
