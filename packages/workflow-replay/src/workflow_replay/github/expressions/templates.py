"""Text with expressions in it: `${{ a }}` alone keeps its kind, `x-${{ a }}` becomes a string."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from workflow_replay.documents import Mapping, Sequence
from workflow_replay.github.expressions.evaluation import Scope, evaluate
from workflow_replay.github.expressions.failures import ExpressionError
from workflow_replay.github.expressions.parser import parse
from workflow_replay.github.expressions.syntax import Call, walk
from workflow_replay.github.expressions.values import Value, normal, to_text, truthy

OPEN: Final = "${{"
_CLOSE: Final = "}}"
STATUS: Final = frozenset({"always", "cancelled", "failure", "success"})


@dataclass(frozen=True)
class Place:
    """Where a text stands, by what its expressions may name there: contexts and functions, in lower case."""

    contexts: frozenset[str]
    functions: frozenset[str] = frozenset()


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces: (piece, whether it is an expression). Raises ExpressionError for one without an end."""
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield text[position:start], False
        end = _end(text, start + len(OPEN))
        yield text[start + len(OPEN) : end].strip(), True
        position = end + len(_CLOSE)
    if position < len(text):
        yield text[position:], False


def check(text: str, place: Place) -> None:
    """Raise ExpressionError for an expression in a text that cannot stand in this place."""
    for piece, is_expression in pieces(text):
        if is_expression:
            parse(piece, place.contexts, place.functions)


def resolve(text: str, place: Place, scope: Scope) -> Value:
    """A text with its expressions evaluated. Raises ExpressionError."""
    found = list(pieces(text))
    if len(found) == 1 and found[0][1]:
        return _value(found[0][0], place, scope)
    return "".join(to_text(_value(piece, place, scope)) if inside else piece for piece, inside in found)


def resolve_all(value: Any, place: Place, scope: Scope) -> Value:
    """Everything below a value of YAML with its expressions evaluated. Raises ExpressionError with its line."""
    match value:
        case str():
            return resolve(value, place, scope)
        case Mapping():
            return {key: _at(line, inner, place, scope) for key, inner, line in value.lined()}
        case Sequence():
            return [_at(line, inner, place, scope) for inner, line in value.lined()]
        case _:
            return normal(value)


def condition(text: str) -> str:
    """An `if` as one expression. Raises ExpressionError for an expression in it without an end."""
    if OPEN not in text:
        return text.strip()
    found = list(pieces(text.strip()))
    if len(found) == 1:
        return found[0][0]
    # Text around an expression makes a string of it all, which always holds: a famous trap, and so it is on GitHub.
    places = "".join(f"{{{number}}}" for number in range(len(found)))
    arguments = ", ".join(piece if is_expression else _quoted(piece) for piece, is_expression in found)
    return f"format('{places}', {arguments})"


def asks_for_status(expression: str, place: Place) -> bool:
    """Whether a condition asks how things went so far; those that do not are preceded by `success()`."""
    node = parse(expression, place.contexts, place.functions)
    return any(isinstance(inner, Call) and inner.name in STATUS for inner in walk(node))


def holds(expression: str, place: Place, scope: Scope) -> bool:
    """Whether a condition holds; an empty one asks for success. Raises ExpressionError."""
    if not expression:
        return truthy(_value("success()", place, scope))
    if not asks_for_status(expression, place) and not truthy(_value("success()", place, scope)):
        return False
    return truthy(_value(expression, place, scope))


def _value(expression: str, place: Place, scope: Scope) -> Value:
    return evaluate(parse(expression, place.contexts, place.functions), scope)


def _end(text: str, start: int) -> int:
    """Where an expression ends: at the first `}}` that is in no string."""
    inside = False
    for position in range(start, len(text)):
        if text[position] == "'":
            inside = not inside
        elif not inside and text.startswith(_CLOSE, position):
            return position
    raise ExpressionError(f"an expression that begins with {OPEN} has no end")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _at(line: int, value: Any, place: Place, scope: Scope) -> Value:
    try:
        return resolve_all(value, place, scope)
    except ExpressionError as error:
        raise error if error.line else ExpressionError(str(error), line) from error
