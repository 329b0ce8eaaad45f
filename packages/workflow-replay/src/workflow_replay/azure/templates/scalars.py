"""The `${{ }}` within a scalar: where they are, and whether the scalar is nothing but one of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_replay.azure.expressions import ExpressionInvalid
from workflow_replay.azure.templates.tree import EXPRESSION_OPENS

_CLOSES = "}}"


@dataclass(frozen=True)
class Part:
    """A piece of a scalar: an expression's text without its braces, or text that is meant as it stands."""

    text: str
    is_expression: bool


def parts(text: str) -> tuple[Part, ...]:
    """Return the pieces of a scalar. Raises ExpressionInvalid when an expression has no end."""
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
    """Return the expression that a scalar consists of, with nothing around it, or None."""
    if not text.startswith(EXPRESSION_OPENS):
        return None
    found = parts(text)
    return found[0].text if len(found) == 1 and found[0].is_expression else None


def _closing(text: str, at: int) -> int:
    """Return where the braces close; those within a quoted text do not count."""
    quoted = False
    while at < len(text):
        if text[at] == "'":
            quoted = not quoted
        elif not quoted and text.startswith(_CLOSES, at):
            return at
        at += 1
    raise ExpressionInvalid(
        "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found."
    )
