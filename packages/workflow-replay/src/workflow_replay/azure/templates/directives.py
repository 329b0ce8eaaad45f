"""Directives: the keys `if`, `elseif`, `else`, `each` and `insert`. No I/O.

A directive is in lower case, and a single `${{ }}`. Any other key is an ordinary one, whose expressions are evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workflow_replay.azure.expressions import InvalidExpression
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
    """Return a key's directive, or None. Raises WorkflowError for an invalid one."""
    try:
        expression = lone_expression(key.text)
    except InvalidExpression as error:
        raise key.location.error(error.message) from error
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
    raise key.location.error(f"Invalid directive '{word}': {key.text}")


def _each(key: Text, expression: str) -> Each:
    match = _EACH.match(expression)
    if match is None or match.group("in") != "in" or not _IDENTIFIER.match(match.group("name")):
        raise key.location.error(
            f"{key.text} is unexpected. The expected format of an 'each' expression is: "
            "${{ each <identifier> in <value> }}"
        )
    return Each(match.group("name"), match.group("collection"))
