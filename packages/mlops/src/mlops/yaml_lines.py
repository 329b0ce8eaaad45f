"""YAML with the line of every key, so that an error can point at its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

_FIRST_LINE = 1


class YamlError(Exception):
    """The text is no YAML; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Document:
    """A document's plain value, and the lines its keys stand in."""

    value: Any
    lines: dict[tuple[str | int, ...], int]

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line of the key at `path`, or of the nearest key above it that exists."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return _FIRST_LINE


def read_yaml(file: Path) -> Document:
    """Read one YAML document. Raises YamlError for a file that is no UTF-8 or no YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError("the file is not UTF-8 text", _FIRST_LINE) from error
    return parse_yaml(text)


def parse_yaml(text: str) -> Document:
    """Parse one YAML document. Raises YamlError for a text that is no YAML."""
    parser = YAML(typ="safe", pure=True)
    try:
        # Reading takes the time: the value is made of the same nodes as the lines.
        constructor, _ = parser.get_constructor_parser(text)
        node = constructor.composer.get_single_node()
        value = None if node is None else constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else _FIRST_LINE
        raise YamlError(str(error.problem or "the file is no YAML").splitlines()[0], line) from error
    except YAMLError as error:
        raise YamlError(str(error).splitlines()[0], _FIRST_LINE) from error
    lines: dict[tuple[str | int, ...], int] = {}
    _collect(node, (), lines)
    return Document(value, lines)


def _collect(node: Node | None, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            lines[here] = key.start_mark.line + 1
            _collect(value, here, lines)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, index)
            lines[here] = value.start_mark.line + 1
            _collect(value, here, lines)
