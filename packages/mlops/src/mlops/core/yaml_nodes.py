"""YAML as nodes with line numbers, read by the C parser; scalars follow YAML 1.2: `yes` is a string, `1e-3` a number.

Azure's SDK reads the files that it gets by YAML 1.1: `older_value_of` returns what it makes of a scalar. Duplicate keys
are an error. A file may come from a pull request, so its size, its depth and what its aliases expand to are limited
before anything walks through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, TypeAlias

import yaml
from yaml.constructor import SafeConstructor

Scalar: TypeAlias = bool | int | float | str | None
KeyPath: TypeAlias = tuple[str | int, ...]

FIRST_LINE: Final = 1
# A few lines of nested aliases can expand to billions of entries.
MOST_ENTRIES: Final = 100_000
MOST_CHARACTERS: Final = 4_000_000
DEEPEST: Final = 100
# Python refuses to convert more than 4,300.
_MOST_DIGITS: Final = 400
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_STANDARD_TAGS: Final = "tag:yaml.org,2002:"
_MERGE_TAG: Final = f"{_STANDARD_TAGS}merge"


class YamlError(Exception):
    """The text is not YAML; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def compose(text: str) -> yaml.Node | None:
    """Parse one YAML document; None for an empty one. Raises YamlError, also for what exceeds a limit.

    The nodes have no cycles, and may be walked recursively.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"the file has more than {MOST_CHARACTERS:,} characters", FIRST_LINE)
    try:
        _require_shallow(text)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else FIRST_LINE
        raise YamlError(str(error.problem or error.context or "the file is not YAML").splitlines()[0], line) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error).splitlines()[0], FIRST_LINE) from error
    except UnicodeError as error:
        raise YamlError("the text has characters that no file can hold", FIRST_LINE) from error
    if root is not None and _expanded(root, {})[0] > MOST_ENTRIES:
        raise YamlError(f"the aliases expand to more than {MOST_ENTRIES:,} entries", _line(root))
    return root


def _require_shallow(text: str) -> None:
    """Refuse deep nesting, and too many entries, by the parser's events: the composer would recurse."""
    depth = count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        count += isinstance(event, yaml.NodeEvent)
        # A key and its value are two nodes.
        if depth > DEEPEST or count > 2 * MOST_ENTRIES:
            limit = f"{DEEPEST} levels of nesting" if depth > DEEPEST else f"{MOST_ENTRIES:,} entries"
            raise YamlError(f"the file has more than {limit}", _line(event))


def _expanded(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many entries, and levels, a node has with all its aliases expanded; each node is visited once."""
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise YamlError("an alias refers to its own anchor", _line(node))
        return found
    known[id(node)] = None
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    inner = [_expanded(child, known) for child in children]
    found = sum(1 + count for count, _ in inner), max((1 + depth for _, depth in inner), default=0)
    if found[1] > DEEPEST:
        raise YamlError(f"the aliases nest deeper than {DEEPEST} levels", _line(node))
    known[id(node)] = found
    return found


def value_of(node: yaml.Node, lines: dict[KeyPath, int], path: KeyPath = ()) -> Any:
    """Return a node as plain values; `lines` receives the line of every key and list element. Raises YamlError."""
    if isinstance(node, yaml.MappingNode):
        values: dict[Any, Any] = {}
        for name, key, child in entries(node):
            here = (*path, name)
            lines[here] = _line(key)
            values[scalar_of(key) if isinstance(key, yaml.ScalarNode) else name] = value_of(child, lines, here)
        return values
    if isinstance(node, yaml.SequenceNode):
        elements = []
        for index, child in enumerate(node.value):
            lines[(*path, index)] = _line(child)
            elements.append(value_of(child, lines, (*path, index)))
        return elements
    if isinstance(node, yaml.ScalarNode):
        return scalar_of(node)
    raise YamlError(f"unknown type of value {node.tag}", _line(node))


def entries(
    node: yaml.MappingNode, repeated: list[tuple[yaml.Node, int]] | None = None
) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield name, key and value of a mapping's entries, those of `<<` first; a later one replaces an earlier one.

    Raises YamlError for a key that is not a scalar, or is a duplicate; `repeated` receives duplicates instead, each
    with the line of the first.
    """
    seen: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == _MERGE_TAG:
            yield from _merged_entries(value)
    for key, value in node.value:
        if key.tag == _MERGE_TAG:
            continue
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError("a key must be a plain word", line)
        if key.value in seen:
            if repeated is None:
                raise YamlError(f"duplicate key `{key.value}` (first on line {seen[key.value]})", line)
            repeated.append((key, seen[key.value]))
        seen[key.value] = line
        yield key.value, key, value


def scalar_of(node: yaml.ScalarNode) -> Scalar:
    """Return what a scalar means in YAML 1.2. Raises YamlError for a tag such as `!secret`."""
    text: str = node.value
    if not node.tag.startswith(_STANDARD_TAGS):
        raise YamlError(f"the tag `{node.tag}` is not supported", _line(node))
    # Plain scalars have no style: the C parser returns an empty string.
    if node.style:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise YamlError(f"a number has {len(text):,} digits; put it in quotes if it is text", _line(node))
        return int(text)
    if _FLOAT.fullmatch(text):
        lower = text.lower()
        return float(lower.replace(".inf", "inf").replace(".nan", "nan"))
    return text


def older_value_of(node: yaml.ScalarNode) -> Scalar | date:
    """Return what a scalar means in YAML 1.1, by PyYAML's safe loader. Raises YamlError for what it cannot read."""
    text = scalar_of(node)
    if node.style:
        return text
    try:
        return SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        reason = f"`{node.value}` cannot be read by YAML 1.1, which Azure's SDK uses; put it in quotes"
        raise YamlError(reason, _line(node)) from error


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else FIRST_LINE


def _merged_entries(value: yaml.Node) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    # The first of several sources wins.
    sources = reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]
    for source in sources:
        if isinstance(source, yaml.MappingNode):
            yield from entries(source)
