"""YAML as the services read it, with the line of each value: the YAML 1.2 core schema, in which `on` is a string.

Mappings and lists are dicts and lists that know their lines. What they mean is up to the readers of each system.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from workflow_replay.errors import WorkflowError

_FIRST_LINE: Final = 1
# More than any file needs; nested anchors could otherwise expand without limit.
_MAX_DEPTH: Final = 60
_MAX_NODES: Final = 50_000
_CACHED_TEXTS: Final = 64
_NULLS: Final = {"", "~", "null", "Null", "NULL"}
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_PREFIXED: Final = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER: Final = {".nan", ".NaN", ".NAN"}
_KNOWN_TAGS: Final = "tag:yaml.org,2002:"
_STRING_TAG: Final = "tag:yaml.org,2002:str"


class Mapping(dict[str, Any]):
    """Keys and values with their lines."""

    def __init__(self, entries: Iterable[tuple[str, Any, int]] = (), line: int = _FIRST_LINE) -> None:
        super().__init__()
        self.line = line
        self._lines: dict[str, int] = {}
        for key, value, key_line in entries:
            self.put(key, value, key_line)

    def put(self, key: str, value: Any, line: int) -> None:
        """Set a key and its line."""
        self[key] = value
        self._lines[key] = line

    def line_of(self, key: str) -> int:
        """The line of a key; for a missing key that of the mapping."""
        return self._lines.get(key, self.line)

    def items_with_lines(self) -> Iterator[tuple[str, Any, int]]:
        """Keys, values and lines."""
        return ((key, value, self.line_of(key)) for key, value in self.items())


class Sequence(list[Any]):
    """Values with their lines."""

    def __init__(self, entries: Iterable[tuple[Any, int]] = (), line: int = _FIRST_LINE) -> None:
        super().__init__()
        self.line = line
        self._lines: list[int] = []
        for value, value_line in entries:
            self.add(value, value_line)

    def add(self, value: Any, line: int) -> None:
        """Append a value and its line."""
        self.append(value)
        self._lines.append(line)

    def line_of(self, index: int) -> int:
        """The line of a value; for an index out of range that of the list."""
        return self._lines[index] if 0 <= index < len(self._lines) else self.line

    def items_with_lines(self) -> Iterator[tuple[Any, int]]:
        """Values and lines."""
        return ((value, self.line_of(index)) for index, value in enumerate(self))


class Text(str):
    """A scalar as written in the file; a `quoted` one is always a string."""

    __slots__ = ("quoted",)

    def __new__(cls, text: str, *, quoted: bool) -> Text:
        """Create one."""
        made = super().__new__(cls, text)
        made.quoted = quoted
        return made


def parse(text: str, file: str) -> Any:
    """Read one document: Mapping, Sequence, str, bool, int, float or None.

    `file` is its name in errors. Anchors and aliases are supported, merge keys (`<<`) not. Raises WorkflowError for
    invalid YAML, duplicate keys and keys that are not scalars.
    """
    root = _composed(text, file)
    return None if root is None else _Constructor(file).value(root, 0)


def parse_texts(text: str, file: str, repeatable: str) -> Any:
    """Read one document as Azure Pipelines does: Mapping, Sequence and Text, as scalars get their type only later.

    Keys that begin with `repeatable` may occur more than once in a mapping; a blank is appended to each repetition.
    Raises WorkflowError as `parse` does, and for anchors.
    """
    root = _composed(text, file)
    return None if root is None else _TextConstructor(file, repeatable).value(root, 0)


def _composed(text: str, file: str) -> Node | None:
    try:
        return _nodes(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else _FIRST_LINE
        raise WorkflowError(file, line, str(error.problem or "invalid YAML").splitlines()[0]) from error
    except YAMLError as error:
        raise WorkflowError(file, _FIRST_LINE, str(error).splitlines()[0]) from error


# A template is read wherever it is used, and parsing takes most of the time of a replay. The nodes are not changed.
@lru_cache(maxsize=_CACHED_TEXTS)
def _nodes(text: str) -> Node | None:
    return YAML(typ="safe", pure=True).compose(text)


def scalar(text: str) -> Any:
    """The value of an unquoted scalar in the YAML 1.2 core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text in _NOT_A_NUMBER else text


class _Constructor:
    """Builds values from nodes. Each alias becomes a copy, so that a change to one does not affect the others."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0

    def value(self, node: Node, depth: int) -> Any:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise self._error(node, "nested too deeply, or too large because of anchors")
        if not str(node.tag).startswith(_KNOWN_TAGS):
            raise self._error(node, f"unknown tag {node.tag}")
        match node:
            case MappingNode():
                return self._mapping(node, depth)
            case SequenceNode():
                entries = ((self.value(inner, depth + 1), _line(inner)) for inner in node.value)
                return Sequence(entries, _line(node))
            case ScalarNode():
                return self._scalar(node)
            case _:
                raise self._error(node, "unsupported YAML")

    def _mapping(self, node: MappingNode, depth: int) -> Mapping:
        mapping = Mapping(line=_line(node))
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._error(key_node, "a key must be a scalar")
            key = self._key(mapping, key_node)
            if key == "<<" and _is_plain(key_node):
                raise self._error(key_node, "merge keys (`<<`) are not supported; repeat the keys, or use an alias")
            if key in mapping:
                first = mapping.line_of(key)
                raise self._error(key_node, f"duplicate key {key!r}, first defined in line {first}")
            mapping.put(key, self.value(value_node, depth + 1), _line(key_node))
        return mapping

    def _scalar(self, node: ScalarNode) -> Any:
        return scalar(node.value) if _is_plain(node) else node.value

    def _key(self, mapping: Mapping, node: ScalarNode) -> str:  # noqa: ARG002 - for the subclass
        return str(node.value)

    def _error(self, node: Node, message: str) -> WorkflowError:
        return WorkflowError(self._file, _line(node), message)


class _TextConstructor(_Constructor):
    """Keeps scalars as text, and accepts repeatable keys."""

    def __init__(self, file: str, repeatable: str) -> None:
        super().__init__(file)
        self._repeatable = repeatable

    def value(self, node: Node, depth: int) -> Any:
        if node.anchor:
            raise self._error(node, "anchors are not supported; use a template, or repeat the keys")
        return super().value(node, depth)

    def _scalar(self, node: ScalarNode) -> Text:
        return Text(node.value, quoted=not _is_plain(node))

    def _key(self, mapping: Mapping, node: ScalarNode) -> str:
        key = str(node.value)
        while key in mapping and key.startswith(self._repeatable):
            key += " "
        return key


def _is_plain(node: ScalarNode) -> bool:
    return not node.style and (node.tag != _STRING_TAG or node.value == scalar(node.value))


def _line(node: Node) -> int:
    return node.start_mark.line + 1
