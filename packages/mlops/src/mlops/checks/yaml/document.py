"""YAML with the line of every value. Independent of Azure ML.

Scalars are read by YAML 1.2's rules, as the SDK reads them: `yes` is a string and `1e-3` a number. Lines come
from the C parser's node graph, which is fast enough to keep the whole check far below a second.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import yaml


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in the project. `file` is relative to the project's root, `line` counts from 1."""

    file: str
    line: int
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}; {self.advice}"


Scalar: TypeAlias = bool | int | float | str | None
Value: TypeAlias = "Scalar | list[Node] | dict[str, Node]"

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER: Final = re.compile(r"[-+]?[0-9]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MERGE_TAG: Final = "tag:yaml.org,2002:merge"


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
        text = path.read_text(encoding="utf-8")
        graph = yaml.compose(text, Loader=Loader)
    except UnicodeDecodeError as error:
        raise DocumentError(1, f"not UTF-8 text: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(line, f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise DocumentError(1, f"not YAML: {error}") from error
    if not isinstance(graph, yaml.MappingNode):
        raise DocumentError(1, "the file must contain `key: value` entries")
    lines = tuple(text.splitlines())
    file = path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
    try:
        return Document(path, file, _convert(graph, 1), lines)
    except RecursionError as error:
        raise DocumentError(1, "an alias is inside its own anchor") from error


def _convert(node: yaml.Node, line: int) -> Node:
    # The end mark of a block is at the start of the line after it.
    end = node.end_mark.line + (1 if node.end_mark.column else 0)
    if isinstance(node, yaml.MappingNode):
        return Node(_entries(node), line, max(line, end))
    if isinstance(node, yaml.SequenceNode):
        elements = [_convert(child, child.start_mark.line + 1) for child in node.value]
        return Node(elements, line, max(line, end))
    if isinstance(node, yaml.ScalarNode):
        return Node(_scalar(node), line, max(line, end))
    raise DocumentError(line, f"unknown type of value {node.tag}")


def _entries(node: yaml.MappingNode) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.tag == MERGE_TAG:
            sources = child.value if isinstance(child, yaml.SequenceNode) else [child]
            for source in sources:
                merged = _entries(source) | merged if isinstance(source, yaml.MappingNode) else merged
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise DocumentError(line, "a key must be a plain word")
        name = str(key.value)
        if name in entries:
            raise DocumentError(line, f"duplicate key `{name}` (first on line {entries[name].line})")
        entries[name] = _convert(child, line)
    return merged | entries


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text: str = node.value
    # Plain scalars have no style: the C parser returns an empty string.
    if node.style:
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        lower = text.lower()
        return float(lower.replace(".inf", "inf").replace(".nan", "nan"))
    return text
