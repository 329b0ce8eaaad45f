"""Strings with expressions in them: `${{ a }}` alone keeps its type, `x-${{ a }}` becomes a string."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from workflow_replay.common.yaml_document import Mapping, Sequence
from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.evaluation import Scope, evaluate
from workflow_replay.github.expressions.parser import parse
from workflow_replay.github.expressions.syntax import Call, walk
from workflow_replay.github.expressions.values import Value, normal, to_text, truthy

OPEN: Final = "${{"
_CLOSE: Final = "}}"
STATUS: Final = frozenset({"always", "cancelled", "failure", "success"})


@dataclass(frozen=True)
class Availability:
    """The contexts and functions (lower case) that the expressions of a key may use."""

    contexts: frozenset[str]
    functions: frozenset[str] = frozenset()


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Split a string: (piece, whether it is an expression). Raises ExpressionError for an unclosed expression."""
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield text[position:start], False
        end = _end(text, start + len(OPEN))
        yield text[start + len(OPEN) : end].strip(), True
        position = end + len(_CLOSE)
    if position < len(text):
        yield text[position:], False


def check(text: str, available: Availability) -> None:
    """Raise ExpressionError if an expression is invalid or uses something that is not available."""
    for piece, is_expression in pieces(text):
        if is_expression:
            parse(piece, available.contexts, available.functions)


def resolve(text: str, available: Availability, scope: Scope) -> Value:
    """A string with its expressions evaluated. Raises ExpressionError."""
    found = list(pieces(text))
    if len(found) == 1 and found[0][1]:
        return _value(found[0][0], available, scope)
    return "".join(to_text(_value(piece, available, scope)) if inside else piece for piece, inside in found)


def resolve_all(value: Any, available: Availability, scope: Scope) -> Value:
    """A YAML value with all its expressions evaluated. Raises ExpressionError with its line."""
    match value:
        case str():
            return resolve(value, available, scope)
        case Mapping():
            return {key: _at(line, inner, available, scope) for key, inner, line in value.items_with_lines()}
        case Sequence():
            return [_at(line, inner, available, scope) for inner, line in value.items_with_lines()]
        case _:
            return normal(value)


def condition(text: str) -> str:
    """An `if` as one expression. Raises ExpressionError for an unclosed expression."""
    if OPEN not in text:
        return text.strip()
    found = list(pieces(text.strip()))
    if len(found) == 1:
        return found[0][0]
    # Text around an expression makes the whole a string, which is always true: a famous trap of GitHub's.
    placeholders = "".join(f"{{{number}}}" for number in range(len(found)))
    arguments = ", ".join(piece if is_expression else _quoted(piece) for piece, is_expression in found)
    return f"format('{placeholders}', {arguments})"


def has_status_function(expression: str, available: Availability) -> bool:
    """Whether a condition calls a status function; the others imply `success()`."""
    node = parse(expression, available.contexts, available.functions)
    return any(isinstance(inner, Call) and inner.name in STATUS for inner in walk(node))


def holds(expression: str, available: Availability, scope: Scope) -> bool:
    """Whether a condition is true; an empty one is `success()`. Raises ExpressionError."""
    if not expression:
        return truthy(_value("success()", available, scope))
    if not has_status_function(expression, available) and not truthy(_value("success()", available, scope)):
        return False
    return truthy(_value(expression, available, scope))


def _value(expression: str, available: Availability, scope: Scope) -> Value:
    return evaluate(parse(expression, available.contexts, available.functions), scope)


def _end(text: str, start: int) -> int:
    """The position of the first `}}` outside of a string."""
    inside = False
    for position in range(start, len(text)):
        if text[position] == "'":
            inside = not inside
        elif not inside and text.startswith(_CLOSE, position):
            return position
    raise ExpressionError(f"the expression is not closed: {OPEN} without {_CLOSE}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _at(line: int, value: Any, available: Availability, scope: Scope) -> Value:
    try:
        return resolve_all(value, available, scope)
    except ExpressionError as error:
        raise error if error.line else ExpressionError(str(error), line) from error
