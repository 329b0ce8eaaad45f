"""A pipeline file as a tree of nodes with source locations, and conversions between nodes and values. No I/O.

Scalars are text as written in the file (`3.10` stays `3.10`). Mappings keep their order, and may repeat a directive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from workflow_replay.azure.expressions import Value, to_text
from workflow_replay.common import yaml_document
from workflow_replay.errors import Limit, WorkflowError

EXPRESSION_OPENS = "${{"


@dataclass(frozen=True)
class SourceLocation:
    """A file, relative to the repository's root, and a line, counted from 1."""

    file: str
    line: int

    def error(self, message: str, advice: str = "") -> WorkflowError:
        """Return an error at this location."""
        return WorkflowError(self.file, self.line, message, advice)

    def limit(self, message: str, advice: str = "") -> Limit:
        """Return what a replay cannot do at this location."""
        return Limit(str(self), message, advice)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Text:
    """A scalar; a `quoted` one is always a string."""

    text: str
    location: SourceLocation
    quoted: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    location: SourceLocation


@dataclass(frozen=True)
class Entries:
    """A mapping."""

    pairs: tuple[tuple[Text, Node], ...]
    location: SourceLocation

    def find(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return next((node for name, node in self.pairs if name.text == key), None)

    def location_of(self, key: str) -> SourceLocation:
        """Return the location of a key; for a missing key that of the mapping."""
        return next((name.location for name, _ in self.pairs if name.text == key), self.location)

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return ((name.text, node) for name, node in self.pairs)

    def without(self, *keys: str) -> Entries:
        """Return the mapping without some keys."""
        return Entries(tuple(pair for pair in self.pairs if pair[0].text not in keys), self.location)


Node: TypeAlias = Text | Items | Entries


class LocatedObject(dict[str, Value]):
    """An object with its source location."""

    def __init__(self, entries: Mapping[str, Value], location: SourceLocation) -> None:
        super().__init__(entries)
        self.location = location


class LocatedArray(list[Value]):
    """An array with its source location."""

    def __init__(self, items: list[Value], location: SourceLocation) -> None:
        super().__init__(items)
        self.location = location


def read(text: str, file: str) -> Node:
    """Return the tree of a file; an empty file is an empty mapping. Raises WorkflowError."""
    document = yaml_document.parse_texts(text, file, EXPRESSION_OPENS)
    return Entries((), SourceLocation(file, 1)) if document is None else _node(document, SourceLocation(file, 1))


def _node(value: Any, location: SourceLocation) -> Node:
    if isinstance(value, yaml_document.Mapping):
        here = SourceLocation(location.file, value.line)
        pairs = ((key, inner, SourceLocation(location.file, line)) for key, inner, line in value.items_with_lines())
        return Entries(tuple((Text(key.rstrip(), at), _node(inner, at)) for key, inner, at in pairs), here)
    if isinstance(value, yaml_document.Sequence):
        items = ((inner, SourceLocation(location.file, line)) for inner, line in value.items_with_lines())
        return Items(tuple(_node(inner, at) for inner, at in items), SourceLocation(location.file, value.line))
    return Text(str(value), location, value.quoted)


def typed(node: Node) -> Value:
    """Convert a node to a value; scalars have their YAML types, null is the empty string."""
    match node:
        case Text(text, _, quoted):
            value = text if quoted else yaml_document.scalar(text)
            return "" if value is None else float(value) if type(value) is int else value
        case Items(nodes, location):
            return LocatedArray([typed(inner) for inner in nodes], location)
        case Entries(pairs, location):
            return LocatedObject({key.text: typed(inner) for key, inner in pairs}, location)


def texts(node: Node) -> Value:
    """Convert a node to a value; scalars are text as written."""
    match node:
        case Text():
            return bound_text(node)
        case Items(nodes, location):
            return LocatedArray([texts(inner) for inner in nodes], location)
        case Entries(pairs, location):
            return LocatedObject({key.text: texts(inner) for key, inner in pairs}, location)


def bound_text(node: Text) -> str:
    """Return the text of a scalar; null (`~`, `null`, nothing) is empty."""
    return "" if not node.quoted and yaml_document.scalar(node.text) is None else node.text


def untyped(value: Value, location: SourceLocation) -> Node:
    """Convert a value to a node, at its source location or else at `location`."""
    if isinstance(value, Mapping):
        here = value.location if isinstance(value, LocatedObject) else location
        return Entries(tuple((Text(key, here, quoted=True), untyped(value[key], here)) for key in value), here)
    if isinstance(value, list):
        here = value.location if isinstance(value, LocatedArray) else location
        return Items(tuple(untyped(item, here) for item in value), here)
    return Text(to_text(value), location, quoted=True)
