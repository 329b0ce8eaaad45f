"""Finds the `${{ }}` expressions in a scalar. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_replay.azure.expressions import InvalidExpression
from workflow_replay.azure.templates.tree import EXPRESSION_OPENS

_CLOSES = "}}"


@dataclass(frozen=True)
class Part:
    """A part of a scalar: an expression without its braces, or literal text."""

    text: str
    is_expression: bool


def parts(text: str) -> tuple[Part, ...]:
    """Return the parts of a scalar. Raises InvalidExpression for an unclosed expression."""
    found: list[Part] = []
    at = 0
    while (start := text.find(EXPRESSION_OPENS, at)) >= 0:
        if start > at:
            found.append(Part(text[at:start], is_expression=False))
        end = _closing(text, start + len(EXPRESSION_OPENS))
        found.append(Part(text[start + len(EXPRESSION_OPENS) : end].strip(), is_expression=True))
        at = end + len(_CLOSES)
    if at < len(text):
        found.append(Part(text[at:], is_expression=False))
    return tuple(found)


def lone_expression(text: str) -> str | None:
    """Return the expression of a scalar that consists of nothing else, or None."""
    if not text.startswith(EXPRESSION_OPENS):
        return None
    found = parts(text)
    return found[0].text if len(found) == 1 and found[0].is_expression else None


def _closing(text: str, at: int) -> int:
    """Return the position of the closing braces; those in quotes do not count."""
    quoted = False
    while at < len(text):
        if text[at] == "'":
            quoted = not quoted
        elif not quoted and text.startswith(_CLOSES, at):
            return at
        at += 1
    raise InvalidExpression(
        "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found."
    )
