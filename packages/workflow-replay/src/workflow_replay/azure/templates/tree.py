"""A pipeline file as nodes that know their file and line, before anybody has asked what they mean. Pure.

Scalars are texts as they stand in the file (`3.10` stays `3.10`), mappings keep their order and may have a directive
twice. Values of expressions and nodes become one another here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from workflow_replay import documents
from workflow_replay.azure.expressions import Value, to_text
from workflow_replay.errors import WorkflowError

EXPRESSION_OPENS = "${{"


@dataclass(frozen=True)
class Place:
    """Where something stands: the file from the repository's top, the line from 1."""

    file: str
    line: int

    def wrong(self, message: str, advice: str = "") -> WorkflowError:
        """Return the error that something here is wrong."""
        return WorkflowError(self.file, self.line, message, advice)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Text:
    """A scalar; `quoted` says that it can be nothing but a text."""

    text: str
    place: Place
    quoted: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class Entries:
    """A mapping in its order."""

    pairs: tuple[tuple[Text, Node], ...]
    place: Place

    def find(self, key: str) -> Node | None:
        """Return what stands at a key, or None."""
        return next((node for name, node in self.pairs if name.text == key), None)

    def place_of(self, key: str) -> Place:
        """Return where a key stands; where the mapping does, for a key that is not there."""
        return next((name.place for name, _ in self.pairs if name.text == key), self.place)

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return ((name.text, node) for name, node in self.pairs)

    def without(self, *keys: str) -> Entries:
        """Return the mapping without some keys."""
        return Entries(tuple(pair for pair in self.pairs if pair[0].text not in keys), self.place)


Node: TypeAlias = Text | Items | Entries


class PlacedObject(dict[str, Value]):
    """An object of expressions that knows where it was written."""

    def __init__(self, entries: Mapping[str, Value], place: Place) -> None:
        super().__init__(entries)
        self.place = place


class PlacedArray(list[Value]):
    """An array of expressions that knows where it was written."""

    def __init__(self, items: list[Value], place: Place) -> None:
        super().__init__(items)
        self.place = place


def read(text: str, file: str) -> Node:
    """Return a file's tree; an empty file is an empty mapping. Raises WorkflowError."""
    document = documents.parse_texts(text, file, EXPRESSION_OPENS)
    return Entries((), Place(file, 1)) if document is None else _node(document, Place(file, 1))


def _node(value: Any, place: Place) -> Node:
    if isinstance(value, documents.Mapping):
        here = Place(place.file, value.line)
        pairs = ((key, inner, Place(place.file, line)) for key, inner, line in value.lined())
        return Entries(tuple((Text(key.rstrip(), at), _node(inner, at)) for key, inner, at in pairs), here)
    if isinstance(value, documents.Sequence):
        items = ((inner, Place(place.file, line)) for inner, line in value.lined())
        return Items(tuple(_node(inner, at) for inner, at in items), Place(place.file, value.line))
    return Text(str(value), place, value.quoted)


def typed(node: Node) -> Value:
    """Return a node as a value of expressions, leaves by their YAML types; nothing is the empty string."""
    match node:
        case Text(text, _, quoted):
            value = text if quoted else documents.scalar(text)
            return "" if value is None else float(value) if type(value) is int else value
        case Items(nodes, place):
            return PlacedArray([typed(inner) for inner in nodes], place)
        case Entries(pairs, place):
            return PlacedObject({key.text: typed(inner) for key, inner in pairs}, place)


def texts(node: Node) -> Value:
    """Return a node as a value of expressions whose leaves are all texts as they stand in the file."""
    match node:
        case Text():
            return bound_text(node)
        case Items(nodes, place):
            return PlacedArray([texts(inner) for inner in nodes], place)
        case Entries(pairs, place):
            return PlacedObject({key.text: texts(inner) for key, inner in pairs}, place)


def bound_text(node: Text) -> str:
    """Return a scalar as the text it is written as; a missing value (`~`, `null`, nothing) is empty."""
    return "" if not node.quoted and documents.scalar(node.text) is None else node.text


def untyped(value: Value, place: Place) -> Node:
    """Return a value as a node that stands where it was written, or else at `place`."""
    if isinstance(value, Mapping):
        here = value.place if isinstance(value, PlacedObject) else place
        return Entries(tuple((Text(key, here, quoted=True), untyped(value[key], here)) for key in value), here)
    if isinstance(value, list):
        here = value.place if isinstance(value, PlacedArray) else place
        return Items(tuple(untyped(item, here) for item in value), here)
    return Text(to_text(value), place, quoted=True)
