"""Copies an entry of a YAML mapping or list, or removes one, in the text itself: every other byte stays. Pure: no I/O.

The text is cut where the parser says that an entry begins and ends; what comes out is parsed again, and refused unless
it says what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlops.core.documents import YamlError, parse_yaml

Path = Sequence[str | int]
_COMMENT: Final = re.compile(r"[ \t]+#.*$")
_ANCHORED_BLOCK: Final = re.compile(r"(?P<indent> *)(?P<key>[\w.-]+): &(?P<name>[\w-]+)[ \t]*(?:#.*)?\n")
_ANCHORED: Final = re.compile(r"&(?P<name>[\w-]+)[ \t]+[^\n]*")


class CannotEdit(Exception):
    """The text is written in a form in which an entry cannot be copied or removed without losing something."""


@dataclass(frozen=True)
class _Entry:
    """Where an entry stands: its key (None in a list), its value, and whether it is written in a flow, as {a: 1}."""

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


def has_entry(text: str, path: Path) -> bool:
    """Whether there is an entry at a path of keys and numbers."""
    return _find(text, path) is not None


def copy_entry(text: str, path: Path, name: str, note: str, rename: Callable[[str], str] | None = None) -> str:
    """The text with the entry at `path` once more below itself: under the key `name`, in a list with its name changed.

    `rename` changes the copy's text otherwise as well; `note` becomes a comment on its first line. Raises CannotEdit.
    """
    entry = _found(text, path)
    old = str(path[-1])
    change = rename or (lambda copied: copied)
    if entry.in_flow:
        copied = name if entry.key is None else name + text[entry.key.end_mark.index : entry.end]
        return _checked(text, f"{text[: entry.end]}, {change(copied)}{text[entry.end :]}", path)
    start, end = _lines(text, entry)
    block = text[start:end]
    if entry.key is not None:
        at = entry.key.start_mark.index - start
        block = block[:at] + name + block[at + len(old) :]
    separator = "\n" if text[end : end + 1] == "\n" or text[:start].endswith("\n\n") else ""
    copied = _noted(_with_aliases(change(block)), note, entry)
    return _checked(text, text[:end] + separator + copied + text[end:], path)


def remove_entry(text: str, path: Path) -> str:
    """The text without the entry at `path`. Raises CannotEdit where it is the only one of its kind."""
    entry = _found(text, path)
    if entry.siblings == 0:
        raise CannotEdit("nothing would be left beside it")
    if entry.in_flow:
        before, after = text[: entry.start].rstrip(), text[entry.end :]
        shortened = before.removesuffix(",") + after if before.endswith(",") else before + after.lstrip().lstrip(", ")
        return _checked(text, shortened, path, is_removed=True)
    start, end = _lines(text, entry)
    rest = text[end:]
    if rest.startswith("\n") and text[:start].endswith(("\n\n", ":\n")):
        rest = rest[1:]
    elif not rest.strip() and text[:start].endswith("\n\n"):
        start -= 1
    kept = _with_anchors(rest, text[start:end])
    return _checked(text, text[:start] + kept, path, is_removed=True)


def _found(text: str, path: Path) -> _Entry:
    entry = _find(text, path)
    if entry is None:
        raise CannotEdit(f"there is no `{'.'.join(map(str, path))}`")
    return entry


def _find(text: str, path: Path) -> _Entry | None:
    constructor, _ = YAML(typ="safe", pure=True).get_constructor_parser(text)
    node: Node | None = constructor.composer.get_single_node()
    entry = None
    for part in path:
        entry = _child(node, part)
        if entry is None:
            return None
        node = entry.value
    return entry


def _child(node: Node | None, part: str | int) -> _Entry | None:
    """An entry of a mapping by key; of a list by its number, by its `name`, or by itself."""
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
    """Where the last character of a value stands; a block's own mark lies behind comments below it."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _lines(text: str, entry: _Entry) -> tuple[int, int]:
    """From where to where the lines of an entry go, line ends included."""
    start = text.rfind("\n", 0, entry.start) + 1
    end = text.find("\n", entry.end)
    if end < 0:
        raise CannotEdit("the last line does not end")
    return start, end + 1


def _noted(block: str, note: str, entry: _Entry) -> str:
    first, line_end, rest = block.partition("\n")
    if not rest:
        # What stands behind the value is of the value that was copied.
        first = first[: len(first) - len(first.lstrip())] + _COMMENT.sub("", first.lstrip())
    elif not entry.value.start_mark.index < entry.start:
        first = _COMMENT.sub("", first)
    return f"{first} # {note}{line_end}{rest}"


def _with_aliases(block: str) -> str:
    """A copy that refers to the anchors of what was copied, instead of setting them once more."""
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
    """What is left, the first reference to each anchor that is removed replaced by what stood there."""
    for anchored in re.finditer(_ANCHORED_BLOCK.pattern + r"(?P<block>(?:(?P=indent) +[^\n]*\n|\n)+)", removed):
        alias = re.compile(rf"(?P<indent> *)(?P<key>[\w.-]+): \*{anchored['name']}\b[^\n]*\n")
        value = f": &{anchored['name']}\n{anchored['block'].rstrip()}\n"
        rest = alias.sub(lambda found, value=value: found["indent"] + found["key"] + value, rest, count=1)
    return rest


def _checked(before: str, after: str, path: Path, *, is_removed: bool = False) -> str:
    """`after`, if it says what `before` says but for one entry more or less. Raises CannotEdit."""
    try:
        old, new = parse_yaml(before).value, parse_yaml(after).value
    except YamlError as error:
        raise CannotEdit(str(error)) from error
    if is_removed:
        old, new = new, old
    if _without_additions(old, new) != 1:
        raise CannotEdit(f"`{'.'.join(map(str, path))}` is not written plainly: an entry per line, or all in one")
    return after


def _without_additions(old: Any, new: Any) -> int:
    """How many entries `new` has more than `old`; many where anything else differs."""
    many = 1_000
    if isinstance(old, dict) and isinstance(new, dict):
        if not old.keys() <= new.keys():
            return many
        return len(new) - len(old) + sum(_without_additions(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list) and len(old) != len(new):
        return (
            1 if len(new) == len(old) + 1 and any(new[:at] + new[at + 1 :] == old for at in range(len(new))) else many
        )
    if isinstance(old, list) and isinstance(new, list):
        return sum(_without_additions(one, other) for one, other in zip(old, new, strict=True))
    return 0 if old == new else many
