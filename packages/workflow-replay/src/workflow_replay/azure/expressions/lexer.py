"""Splits an expression into tokens with positions. No I/O.

There are no operators: a token is a punctuation mark, a literal, a wildcard or a name. As in the service, a name is
anything that is not a literal; `null` and `"text"` are unknown names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from workflow_replay.azure.expressions.errors import InvalidExpression
from workflow_replay.azure.expressions.values import Value, Version

_PUNCTUATION = "()[],."
_WORD_END = re.compile(r"[\s()\[\],.]|\Z")
_NUMBER_END = re.compile(r"[\s()\[\],]|\Z")
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)\Z")
_VERSION = re.compile(r"\d+(\.\d+){2,3}\Z")
_BOOLEANS = {"true": True, "false": False}


class Kind(Enum):
    """The kind of a token."""

    PUNCTUATION = "punctuation"
    LITERAL = "literal"
    NAME = "name"
    WILDCARD = "wildcard"
    END = "end"


@dataclass(frozen=True)
class Token:
    """A token with its text, its position (from 1) and, for a literal, its value."""

    kind: Kind
    text: str
    position: int
    value: Value = None


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression, END last. Raises InvalidExpression for an invalid literal."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _next(text, at, found[-1].text if found else "")
        found.append(token)
    found.append(Token(Kind.END, "", len(text) + 1))
    return found


def _next(text: str, at: int, before: str) -> tuple[Token, int]:
    character = text[at]
    if character == "'":
        return _string(text, at)
    if character == "*":
        return Token(Kind.WILDCARD, "*", at + 1), at + 1
    if (character.isdigit() or character in "-.") and before != "." and not _dereferences(text, at, before):
        return _number(text, at)
    if character in _PUNCTUATION:
        return Token(Kind.PUNCTUATION, character, at + 1), at + 1
    return _word(text, at)


def _dereferences(text: str, at: int, before: str) -> bool:
    """Tell whether a period dereferences a member; otherwise it starts a number."""
    return text[at] == "." and before not in ("", "(", "[", ",")


def _string(text: str, at: int) -> tuple[Token, int]:
    end = at + 1
    while (end := text.find("'", end)) >= 0 and text[end + 1 : end + 2] == "'":
        end += 2
    if end < 0:
        raise InvalidExpression(f"Unrecognized value: '{text[at:]}'", text, at + 1)
    return Token(Kind.LITERAL, text[at : end + 1], at + 1, text[at + 1 : end].replace("''", "'")), end + 1


def _number(text: str, at: int) -> tuple[Token, int]:
    end = _end(_NUMBER_END, text, at)
    raw = text[at:end]
    if _VERSION.match(raw):
        return Token(Kind.LITERAL, raw, at + 1, Version(tuple(int(part) for part in raw.split(".")))), end
    if not _NUMBER.match(raw):
        raise InvalidExpression(f"Unrecognized value: '{raw}'", text, at + 1)
    return Token(Kind.LITERAL, raw, at + 1, float(raw)), end


def _word(text: str, at: int) -> tuple[Token, int]:
    end = max(_end(_WORD_END, text, at), at + 1)
    raw = text[at:end]
    if raw.lower() in _BOOLEANS:
        return Token(Kind.LITERAL, raw, at + 1, _BOOLEANS[raw.lower()]), end
    return Token(Kind.NAME, raw, at + 1), end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.search(text, at)
    return match.start() if match else len(text)
