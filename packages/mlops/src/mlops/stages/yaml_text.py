"""Copies or removes an entry of a YAML mapping or list in the text itself: every other byte stays. Pure: no I/O.

The text is cut where the parser says that an entry begins and ends; the result is parsed again, and refused unless
it has the intended content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlops.core.documents import KeyPath, YamlError, parse_yaml
from mlops.core.yaml_nodes import compose

# More entries than any file has.
_MANY: Final = 1_000_000
_COMMENT: Final = re.compile(r"[ \t]+#.*$")
# A blank line, with or without comments between it and the end.
_BLANK_BEFORE: Final = re.compile(r"\n\n(?: *#[^\n]*\n)*\Z")
_ANCHORED_BLOCK: Final = re.compile(r"(?P<indent> *)(?P<key>[\w.-]+): &(?P<name>[\w-]+)[ \t]*(?:#.*)?\n")
_ANCHORED: Final = re.compile(r"&(?P<name>[\w-]+)[ \t]+[^\n]*")


class CannotEdit(Exception):
    """The text has a form in which an entry cannot be copied or removed without losing something."""


@dataclass(frozen=True)
class _Entry:
    """The position of an entry: its key (None in a list), its value, and whether it is in flow style, as {a: 1}."""

    key: ScalarNode | None
    value: Node
    in_flow: bool
    siblings: int

    @property
    def start(self) -> int:
        return (self.key or self.value).start_mark.index

    @property
    def end(self) -> int:
        return _end(self.value)


def copy_entries(
    text: str, paths: Sequence[KeyPath], name: str, note: str, rename: Callable[[str], str] | None = None
) -> str:
    """The text with the entry at each path duplicated below itself, under the key `name`, or renamed in a list.

    If there is nothing at a path, or already an entry called `name`, nothing changes. `rename` also changes the rest of
    the copies' text; `note` becomes a comment on their first lines. Raises CannotEdit.
    """
    root = _root(text)
    found = [(path, _find(root, path)) for path in paths if _find(root, (*path[:-1], name)) is None]
    entries = [(path, entry) for path, entry in found if entry is not None]
    copied = text
    # Last to first, so that the positions of the others stay valid.
    for path, entry in sorted(entries, key=lambda each: each[1].start, reverse=True):
        copied = _with_copy(copied, entry, str(path[-1]), name, note, rename or (lambda block: block))
    return _checked(text, copied, len(entries))


def remove_entries(text: str, paths: Sequence[KeyPath]) -> str:
    """The text without the entries at these paths, if any. Raises CannotEdit for an entry without siblings."""
    root = _root(text)
    entries = [entry for entry in (_find(root, path) for path in paths) if entry is not None]
    left = text
    for entry in sorted(entries, key=lambda each: each.start, reverse=True):
        if entry.siblings == 0:
            raise CannotEdit("the entry to remove has no siblings")
        left = _without(left, entry)
    return _checked(text, left, -len(entries))


def _with_copy(text: str, entry: _Entry, old: str, name: str, note: str, rename: Callable[[str], str]) -> str:
    if entry.in_flow:
        copied = name if entry.key is None else name + text[entry.key.end_mark.index : entry.end]
        return f"{text[: entry.end]}, {rename(copied)}{text[entry.end :]}"
    start, end = _lines(text, entry)
    block = text[start:end]
    if entry.key is not None:
        at = entry.key.start_mark.index - start
        block = block[:at] + name + block[at + len(old) :]
    is_apart = text[end : end + 1] == "\n" or bool(_BLANK_BEFORE.search(text[:start]))
    separator = "\n" if is_apart else ""
    return text[:end] + separator + _noted(_with_aliases(rename(block)), note, entry) + text[end:]


def _without(text: str, entry: _Entry) -> str:
    if entry.in_flow:
        before, after = text[: entry.start].rstrip(), text[entry.end :]
        return before.removesuffix(",") + after if before.endswith(",") else before + after.lstrip().lstrip(", ")
    start, end = _lines(text, entry)
    rest = text[end:]
    if rest.startswith("\n") and text[:start].endswith(("\n\n", ":\n")):
        rest = rest[1:]
    elif not rest.strip() and text[:start].endswith("\n\n"):
        start -= 1
    return text[:start] + _with_anchors(rest, text[start:end])


def _root(text: str) -> Node | None:
    # Within limits: what ruamel.yaml reads has none.
    compose(text)
    constructor, _ = YAML(typ="safe", pure=True).get_constructor_parser(text)
    return constructor.composer.get_single_node()


def _find(node: Node | None, path: KeyPath) -> _Entry | None:
    entry = None
    for part in path:
        entry = _child(node, part)
        if entry is None:
            return None
        node = entry.value
    return entry


def _child(node: Node | None, part: str | int) -> _Entry | None:
    """An entry of a mapping by key; of a list by its index, its `name`, or its value."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return _Entry(key, value, bool(node.flow_style), len(node.value) - 1)
    if isinstance(node, SequenceNode):
        for number, value in enumerate(node.value):
            if part in (number, _name_of(value)):
                return _Entry(None, value, bool(node.flow_style), len(node.value) - 1)
    return None


def _name_of(node: Node) -> str | None:
    if isinstance(node, ScalarNode):
        return node.value
    entry = _child(node, "name") if isinstance(node, MappingNode) else None
    return entry.value.value if entry and isinstance(entry.value, ScalarNode) else None


def _end(node: Node) -> int:
    """The end of a value's last character; a block's own end mark is after the comments below it."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _lines(text: str, entry: _Entry) -> tuple[int, int]:
    """The start and end of an entry's lines, including line ends."""
    start = text.rfind("\n", 0, entry.start) + 1
    end = text.find("\n", entry.end)
    if end < 0:
        raise CannotEdit("the last line has no line end")
    return start, end + 1


def _noted(block: str, note: str, entry: _Entry) -> str:
    first, line_end, rest = block.partition("\n")
    if not rest:
        # The rest of the line belongs to the value that was copied.
        first = first[: len(first) - len(first.lstrip())] + _COMMENT.sub("", first.lstrip())
    elif not entry.value.start_mark.index < entry.start:
        first = _COMMENT.sub("", first)
    return f"{first} # {note}{line_end}{rest}"


def _with_aliases(block: str) -> str:
    """A copy with aliases to the original's anchors, instead of defining them again."""
    lines, skipped = [], -1
    for line in block.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip(" "))
        if 0 <= skipped < indent or (skipped >= 0 and not line.strip()):
            continue
        skipped = -1
        anchored = _ANCHORED_BLOCK.fullmatch(line)
        if anchored:
            skipped = len(anchored["indent"])
            lines.append(f"{anchored['indent']}{anchored['key']}: *{anchored['name']}\n")
        else:
            lines.append(_ANCHORED.sub(lambda found: f"*{found['name']}", line))
    return "".join(lines)


def _with_anchors(rest: str, removed: str) -> str:
    """The rest, in which the first alias of each removed anchor is replaced by the anchored text."""
    for anchored in re.finditer(_ANCHORED_BLOCK.pattern + r"(?P<block>(?:(?P=indent) +[^\n]*\n|\n)+)", removed):
        alias = re.compile(rf"(?P<indent> *)(?P<key>[\w.-]+): \*{anchored['name']}\b[^\n]*\n")
        value = f": &{anchored['name']}\n{anchored['block'].rstrip()}\n"
        rest = alias.sub(lambda found, value=value: found["indent"] + found["key"] + value, rest, count=1)
    return rest


def _checked(before: str, after: str, more: int) -> str:
    """`after`, if it equals `before` except for `more` entries. Raises CannotEdit."""
    if before == after:
        return after
    try:
        old, new = parse_yaml(before).value, parse_yaml(after).value
    except YamlError as error:
        raise CannotEdit(str(error)) from error
    found = _without_additions(old, new) if more > 0 else _without_additions(new, old)
    if found != abs(more):
        raise CannotEdit("an entry is not in plain form: one entry per line, or all of them in one line")
    return after


def _without_additions(old: Any, new: Any) -> int:
    """How many more entries `new` has than `old`; _MANY if anything else differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        if not old.keys() <= new.keys():
            return _MANY
        return min(_MANY, len(new) - len(old) + sum(_without_additions(old[key], new[key]) for key in old))
    if isinstance(old, list) and isinstance(new, list):
        rest, found = list(old), 0
        for item in new:
            more = _without_additions(rest[0], item) if rest else _MANY
            found += more if more < _MANY else 1
            rest = rest[1:] if more < _MANY else rest
        return found if not rest else _MANY
    return 0 if old == new else _MANY
