"""YAML with the line of every value, as Azure's SDK resolves it, also merged over a file below; and what a check finds.

The SDK reads by YAML 1.1. What it makes of a plain scalar differs from what most people read in it (`no`, `010`,
`12:30`): `changes` lists where.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from mlops.core.documents import read_limited
from mlops.core.yaml_nodes import Scalar, YamlError, compose, entries, older_value_of, scalar_of
from mlops.settings.project import HouseRule, Level

PLAIN_VALUE: Final[HouseRule] = "plain-value"
REPEATED_KEY: Final[HouseRule] = "repeated-key"
# Below these keys a number arrives as text: `1.10` as 1.1.
_OF_TEXTS: Final = frozenset({"version", "tags", "properties", "environment_variables"})
_DECIMAL: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")


# The service or its SDK would refuse it.
AZURE: Final = "azure"
# The commands of this project need it.
MLOPS: Final = "mlops"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in the project. `file` is relative to the project's root, `line` counts from 1.

    `rule` says whose rule it is: AZURE's, MLOPS's own, or the name of a house rule, which project.yml may switch off.
    """

    file: str
    line: int
    message: str
    advice: str
    rule: str = AZURE
    level: Level = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}; {self.advice}"


Value: TypeAlias = "Scalar | list[Node] | dict[str, Node]"


class DocumentError(Exception):
    """A file that is not readable YAML. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line where its entry begins (the key's line in a mapping)."""

    value: Value
    line: int
    end_line: int

    def get(self, *path: str) -> "Node | None":
        """Return the value below the keys in `path`, or None if there is none."""
        node: Node | None = self
        for key in path:
            node = node.entries.get(key) if node else None
        return node

    @property
    def entries(self) -> dict[str, "Node"]:
        """The mapping's entries; empty if it is not a mapping."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def elements(self) -> list["Node"]:
        """The list's elements; empty if it is not a list."""
        return self.value if isinstance(self.value, list) else []

    @property
    def shown(self) -> str:
        """The value in a message: a scalar as it is, anything else by its kind."""
        if isinstance(self.value, dict | list):
            return "a mapping" if isinstance(self.value, dict) else "a list"
        return f"`{self.value}`" if self.value is not None else "nothing"

    @property
    def text(self) -> str | None:
        """The string, or None if it is not a string."""
        return self.value if isinstance(self.value, str) else None

    def strings(self) -> Iterator["Node"]:
        """Yield every string at or below this node."""
        if isinstance(self.value, str):
            yield self
        for child in [*self.entries.values(), *self.elements]:
            yield from child.strings()


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `file` is its path relative to the project's root, in posix form."""

    path: Path
    file: str
    root: Node
    lines: tuple[str, ...]
    changes: tuple[Problem, ...]

    def problem(self, at: Node | int, message: str, advice: str, rule: str = AZURE) -> Problem:
        """Make a problem at a node or a line of this file; `rule` says whose rule it is."""
        return Problem(self.file, at if isinstance(at, int) else at.line, message, advice, rule)

    def line_of(self, node: Node, fragment: str) -> int:
        """Return the line within `node`'s text that contains `fragment`, else the node's own."""
        for number in range(node.line, node.end_line + 1):
            if fragment in self.lines[number - 1]:
                return number
        return node.line


def read_document(path: Path, project: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises DocumentError if it is not such a file, OSError if it cannot be read.
    """
    try:
        text = read_limited(path)
        graph = compose(text)
    except YamlError as error:
        raise DocumentError(error.line, f"not YAML: {error}") from error
    if not isinstance(graph, yaml.MappingNode):
        raise DocumentError(1, "the file must contain `key: value` entries")
    lines = tuple(text.splitlines())
    file = path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
    changes: list[Problem] = []
    try:
        return Document(path, file, _convert(graph, 1, _Reading(file, changes)), lines, tuple(changes))
    except YamlError as error:
        raise DocumentError(error.line, str(error)) from error


@dataclass(frozen=True, slots=True)
class _Reading:
    """Where the values are: their file, and the keys above them; `changes` receives what the SDK reads otherwise."""

    file: str
    changes: list[Problem]
    keys: tuple[str, ...] = ()

    def within(self, key: str) -> "_Reading":
        return _Reading(self.file, self.changes, (*self.keys, key))

    def note(self, node: yaml.Node, message: str, advice: str, rule: str = PLAIN_VALUE) -> None:
        self.changes.append(Problem(self.file, node.start_mark.line + 1, message, advice, rule))


def _convert(node: yaml.Node, line: int, reading: _Reading) -> Node:
    # The end mark of a block is at the start of the line after it.
    end = node.end_mark.line + (1 if node.end_mark.column else 0)
    if isinstance(node, yaml.MappingNode):
        repeated: list[tuple[yaml.Node, int]] = []
        values: dict[str, Node] = {}
        for name, key, child in entries(node, repeated):
            _note_key(key, reading)
            values[name] = _convert(child, key.start_mark.line + 1, reading.within(name))
        for key, first in repeated:
            message = f"`{key.value}` is also on line {first}: the SDK takes the last one, without a word"
            reading.note(key, message, "remove one of them", REPEATED_KEY)
        return Node(values, line, max(line, end))
    if isinstance(node, yaml.SequenceNode):
        elements = [_convert(child, child.start_mark.line + 1, reading) for child in node.value]
        return Node(elements, line, max(line, end))
    if isinstance(node, yaml.ScalarNode):
        return Node(_resolve(node, reading), line, max(line, end))
    raise DocumentError(line, f"unknown type of value {node.tag}")


def _note_key(key: yaml.Node, reading: _Reading) -> None:
    value = older_value_of(key) if isinstance(key, yaml.ScalarNode) else None
    if not isinstance(value, str):
        reading.note(key, f"the SDK reads the key `{key.value}` as {value!r}", f'write "{key.value}": in quotes')


def _resolve(node: yaml.ScalarNode, reading: _Reading) -> Scalar:
    """Return a scalar as the SDK reads it; numbers that it passes on as text (`1e-3`) stay numbers."""
    text: str = node.value
    older, newer = older_value_of(node), scalar_of(node)
    quoted = f"put it in quotes if it is text: '{text}'"
    if isinstance(older, date):
        if reading.keys[-1:] != ("version",):
            message = f"the SDK reads `{text}` as a date, which it cannot send"
            reading.note(node, message, f"put it in quotes: '{text}'", AZURE)
        return text
    if isinstance(older, str):
        if isinstance(newer, int | float):
            advice = f"{quoted}; write {newer} if it is a number"
            reading.note(node, f"the SDK reads `{text}` as text, not as a number", advice)
        return newer
    if older is not None and (reason := _change(text, older, reading.keys)):
        reading.note(node, f"the SDK reads `{text}` as {reason}", f"{quoted}; else write {_plain(older)}")
    return older


def _change(text: str, older: Scalar, keys: tuple[str, ...]) -> str | None:
    """Return what the SDK makes of a plain number or boolean, or None if a reader expects just that."""
    if isinstance(older, bool):
        return None if text.lower() == str(older).lower() else _plain(older)
    if isinstance(older, int):
        return None if str(older) == text else _plain(older)
    is_text = bool(_OF_TEXTS & set(keys))
    loses_digits = _DECIMAL.fullmatch(text) is None or Decimal(text) != Decimal(repr(older))
    if ".inf" in text.lower() or ".nan" in text.lower() or not (loses_digits or (is_text and str(older) != text)):
        return None
    return _plain(older)


def _plain(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# In both files, for editors.
_OWN: Final = frozenset({"$schema"})


@dataclass(frozen=True, slots=True)
class Overlaid(Document):
    """Both files as one document; `inherited` are the ids of the nodes that come from `below`."""

    upper: Document
    below: Document
    inherited: frozenset[int]

    def problem(self, at: Node | int, message: str, advice: str, rule: str = AZURE) -> Problem:
        """Make a problem in the file that the node is written in."""
        return (self.below if id(at) in self.inherited else self.upper).problem(at, message, advice, rule)


def overlaid(upper: Document, below: Document) -> Overlaid:
    """Merge one document over another, as plain values are (mlops.core.documents): null removes a key."""
    inherited = frozenset(id(node) for node in _all_nodes(below.root))
    root = _merged_node(below.root, upper.root)
    return Overlaid(upper.path, upper.file, root, upper.lines, upper.changes, upper, below, inherited)


def keys_without_effect(document: Overlaid) -> Iterator[Problem]:
    """Yield entries of the overlay without effect: equal to the base's, or removing what it does not have."""
    yield from _without_effect(document, document.upper.root, document.below.root)


def _without_effect(document: Overlaid, upper: Node, below: Node) -> Iterator[Problem]:
    name = document.below.path.name
    for key in upper.entries.keys() - _OWN:
        node, other = upper.entries[key], below.entries.get(key)
        if other is None and node.value is None:
            yield document.upper.problem(
                node, f"`{key}` is removed here, but {name} does not have it", "remove the line"
            )
        elif other is not None and node.entries:
            yield from _without_effect(document, node, other)
        elif other is not None and _content(node) == _content(other):
            yield document.upper.problem(node, f"{name} has the same value for `{key}`", "remove it here")


def _merged_node(below: Node | None, upper: Node) -> Node:
    if not isinstance(upper.value, dict):
        return upper
    base = below.entries if below else {}
    entries = {key: node for key, node in base.items() if key not in upper.entries}
    changed = {key: _merged_node(base.get(key), node) for key, node in upper.entries.items() if node.value is not None}
    return Node(entries | changed, upper.line, upper.end_line)


def _all_nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in [*node.entries.values(), *node.elements]:
        yield from _all_nodes(child)


def _content(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _content(child) for key, child in node.entries.items()}
    return [_content(child) for child in node.elements] if isinstance(node.value, list) else node.value
