"""The keys that shape a file: `if`, `elseif`, `else`, `each` and `insert`, recognised by their text. Pure.

A directive is lower case and nothing but `${{ }}`; any other key is an ordinary one, whose expressions give its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_replay.azure.expressions import ExpressionInvalid
from workflow_replay.azure.templates.scalars import lone_expression
from workflow_replay.azure.templates.tree import Text

_EACH = re.compile(r"each\s+(?P<name>\S+)\s+(?P<in>\S+)\s+(?P<collection>.+)\Z", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORD = re.compile(r"(if|elseif|else|each|insert)(?=\s|\Z)(.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Branch:
    """`if`, `elseif` (with a condition) or `else` (with none)."""

    word: Literal["if", "elseif", "else"]
    condition: str


@dataclass(frozen=True)
class Each:
    """`each name in collection`."""

    name: str
    collection: str


@dataclass(frozen=True)
class Insert:
    """`insert`."""


Directive: TypeAlias = Branch | Each | Insert


def directive(key: Text) -> Directive | None:
    """Return the directive that a key is, or None. Raises WorkflowError for a malformed one."""
    try:
        expression = lone_expression(key.text)
    except ExpressionInvalid as error:
        raise key.place.wrong(error.message) from error
    match = _WORD.match(expression) if expression is not None else None
    if match is None:
        return None
    word, rest = match.group(1), match.group(2).strip()
    if word in ("if", "elseif") and rest:
        return Branch(word, rest)
    if word == "else" and not rest:
        return Branch("else", "")
    if word == "insert" and not rest:
        return Insert()
    if word == "each":
        return _each(key, expression or "")
    raise key.place.wrong(f"The directive '{word}' is malformed: {key.text}")


def _each(key: Text, expression: str) -> Each:
    match = _EACH.match(expression)
    if match is None or match.group("in") != "in" or not _IDENTIFIER.match(match.group("name")):
        raise key.place.wrong(
            f"{key.text} is unexpected. The expected format of an 'each' expression is: "
            "${{ each <identifier> in <value> }}"
        )
    return Each(match.group("name"), match.group("collection"))
