"""YAML as the services read it, with the line of every value: YAML 1.2's core schema, in which `on` is a text.

Meaning is left to the readers of each system. Mappings and lists are dicts and lists that also know their lines.
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
# Deeper than any file that people write; anchors could otherwise make a file grow without end.
_MAXIMUM_DEPTH: Final = 60
_MAXIMUM_NODES: Final = 50_000
_REMEMBERED_TEXTS: Final = 64
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
    """Keys and values, and in which lines they stand."""

    def __init__(self, entries: Iterable[tuple[str, Any, int]] = (), line: int = _FIRST_LINE) -> None:
        super().__init__()
        self.line = line
        self._lines: dict[str, int] = {}
        for key, value, key_line in entries:
            self.put(key, value, key_line)

    def put(self, key: str, value: Any, line: int) -> None:
        """Set a key that stands in a line."""
        self[key] = value
        self._lines[key] = line

    def line_of(self, key: str) -> int:
        """The line of a key, or of the mapping for a key that it does not have."""
        return self._lines.get(key, self.line)

    def lined(self) -> Iterator[tuple[str, Any, int]]:
        """Keys, values and the lines of the keys."""
        return ((key, value, self.line_of(key)) for key, value in self.items())


class Sequence(list[Any]):
    """Values, and in which lines they stand."""

    def __init__(self, entries: Iterable[tuple[Any, int]] = (), line: int = _FIRST_LINE) -> None:
        super().__init__()
        self.line = line
        self._lines: list[int] = []
        for value, value_line in entries:
            self.add(value, value_line)

    def add(self, value: Any, line: int) -> None:
        """Append a value that stands in a line."""
        self.append(value)
        self._lines.append(line)

    def line_of(self, index: int) -> int:
        """The line of a value, or of the list for an index that it does not have."""
        return self._lines[index] if 0 <= index < len(self._lines) else self.line

    def lined(self) -> Iterator[tuple[Any, int]]:
        """Values and their lines."""
        return ((value, self.line_of(index)) for index, value in enumerate(self))


class Text(str):
    """A scalar as it stands in the file; `quoted` says that it can be nothing but a text."""

    __slots__ = ("quoted",)

    def __new__(cls, text: str, *, quoted: bool) -> Text:
        """Make one."""
        made = super().__new__(cls, text)
        made.quoted = quoted
        return made


def parse(text: str, file: str, *, merge_keys: bool = False) -> Any:
    """Read one document: Mapping, Sequence, str, bool, int, float or None.

    `file` is its name for errors. Anchors and aliases are followed; merge keys (`<<`) only where `merge_keys` says so.
    Raises WorkflowError for text that is no YAML, for a key twice in one mapping, and for keys that are no text.
    """
    root = _composed(text, file)
    return None if root is None else _Constructor(file, merge_keys=merge_keys).value(root, 0)


def parse_texts(text: str, file: str, repeatable: str) -> Any:
    """Read one document as Azure Pipelines does: Mapping, Sequence and Text, since the meaning of a scalar comes later.

    Keys that begin with `repeatable` may stand in a mapping again; each later one has a blank more at its end.
    Raises WorkflowError for the same as `parse`, and for anchors.
    """
    root = _composed(text, file)
    return None if root is None else _TextConstructor(file, repeatable).value(root, 0)


def _composed(text: str, file: str) -> Node | None:
    try:
        return _nodes(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else _FIRST_LINE
        raise WorkflowError(file, line, str(error.problem or "this is no YAML").splitlines()[0]) from error
    except YAMLError as error:
        raise WorkflowError(file, _FIRST_LINE, str(error).splitlines()[0]) from error


# A template is read wherever it is used, and reading takes most of the time of a replay; nobody changes the nodes.
@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _nodes(text: str) -> Node | None:
    return YAML(typ="safe", pure=True).compose(text)


def plain(value: Any) -> Any:
    """The same without lines, in ordinary dicts and lists."""
    match value:
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


def scalar(text: str) -> Any:
    """What an unquoted text means in YAML 1.2's core schema."""
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
    """Makes values of nodes. Aliases become values of their own, so that nobody's change reaches another place."""

    def __init__(self, file: str, *, merge_keys: bool) -> None:
        self._file = file
        self._merge_keys = merge_keys
        self._nodes = 0

    def value(self, node: Node, depth: int) -> Any:
        self._nodes += 1
        if depth > _MAXIMUM_DEPTH or self._nodes > _MAXIMUM_NODES:
            raise self._wrong(node, "this is nested too deeply, or its anchors make it too large")
        if not str(node.tag).startswith(_KNOWN_TAGS):
            raise self._wrong(node, f"the tag {node.tag} is not known")
        match node:
            case MappingNode():
                return self._mapping(node, depth)
            case SequenceNode():
                entries = ((self.value(inner, depth + 1), _line(inner)) for inner in node.value)
                return Sequence(entries, _line(node))
            case ScalarNode():
                return self._scalar(node)
            case _:
                raise self._wrong(node, "this kind of YAML is not known here")

    def _mapping(self, node: MappingNode, depth: int) -> Mapping:
        mapping = Mapping(line=_line(node))
        merges: list[tuple[Node, Node]] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._wrong(key_node, "a key must be a text")
            key = self._key(mapping, key_node)
            if key == "<<" and _is_plain(key_node):
                merges.append((key_node, value_node))
                continue
            if key in mapping:
                raise self._wrong(key_node, f"the key {key!r} is there twice, first in line {mapping.line_of(key)}")
            mapping.put(key, self.value(value_node, depth + 1), _line(key_node))
        for key_node, value_node in merges:
            self._merge(mapping, key_node, value_node, depth)
        return mapping

    def _scalar(self, node: ScalarNode) -> Any:
        return scalar(node.value) if _is_plain(node) else node.value

    def _key(self, mapping: Mapping, node: ScalarNode) -> str:  # noqa: ARG002 - for those that know better
        return str(node.value)

    def _merge(self, mapping: Mapping, key: Node, node: Node, depth: int) -> None:
        if not self._merge_keys:
            raise self._wrong(key, "merge keys (`<<`) are not supported; repeat the keys, or alias the whole")
        merged = self.value(node, depth + 1)
        for source in merged if isinstance(merged, Sequence) else (merged,):
            if not isinstance(source, Mapping):
                raise self._wrong(key, "`<<` needs keys and values")
            for name, value, line in source.lined():
                if name not in mapping:
                    mapping.put(name, value, line)

    def _wrong(self, node: Node, message: str) -> WorkflowError:
        return WorkflowError(self._file, _line(node), message)


class _TextConstructor(_Constructor):
    """Makes texts of scalars, and knows keys that may stand in a mapping more than once."""

    def __init__(self, file: str, repeatable: str) -> None:
        super().__init__(file, merge_keys=False)
        self._repeatable = repeatable

    def value(self, node: Node, depth: int) -> Any:
        if node.anchor:
            raise self._wrong(node, "anchors are not supported; use a template or repeat the keys")
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
