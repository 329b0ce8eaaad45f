"""YAML with the line of every value, and what a check finds in it. Independent of Azure ML."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from mlops.core.documents import read_limited
from mlops.core.yaml_nodes import Scalar, YamlError, compose, entries, scalar_of


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in the project. `file` is relative to the project's root, `line` counts from 1."""

    file: str
    line: int
    message: str
    advice: str

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

    def problem(self, at: Node | int, message: str, advice: str) -> Problem:
        """Make a problem at a node or a line of this file."""
        return Problem(self.file, at if isinstance(at, int) else at.line, message, advice)

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
    try:
        return Document(path, file, _convert(graph, 1), lines)
    except YamlError as error:
        raise DocumentError(error.line, str(error)) from error


def _convert(node: yaml.Node, line: int) -> Node:
    # The end mark of a block is at the start of the line after it.
    end = node.end_mark.line + (1 if node.end_mark.column else 0)
    if isinstance(node, yaml.MappingNode):
        values = {name: _convert(child, key.start_mark.line + 1) for name, key, child in entries(node)}
        return Node(values, line, max(line, end))
    if isinstance(node, yaml.SequenceNode):
        elements = [_convert(child, child.start_mark.line + 1) for child in node.value]
        return Node(elements, line, max(line, end))
    if isinstance(node, yaml.ScalarNode):
        return Node(scalar_of(node), line, max(line, end))
    raise DocumentError(line, f"unknown type of value {node.tag}")
