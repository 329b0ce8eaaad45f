"""Paths into a resource's inputs, as Pulumi writes them: `agentPoolProfiles[0].count`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def parts_of(path: str) -> list[str | int]:
    """A path's keys and positions."""
    return [int(part[1:-1]) if part.startswith("[") else part for part in re.findall(r"[^.\[\]]+|\[\d+\]", path)]


def is_below(path: str, other: str) -> bool:
    """Whether a path is another one or inside of it."""
    parts, above = parts_of(path), parts_of(other)
    return parts[: len(above)] == above


def set_at(value: Any, path: str, new: Any) -> None:
    """Set what is at a path, making objects on the way; a position just after a list's end adds to it."""
    *above, last = parts_of(path)
    for part in above:
        value = value[part] if isinstance(part, int) else value.setdefault(part, {})
    if isinstance(value, list) and last == len(value):
        value.append(new)
    else:
        value[last] = new


def without(value: Any, path: str, other: Any) -> None:
    """Take what is at a path from another value, as the engine does with ignored changes."""
    *above, last = parts_of(path)
    for part in above:
        try:
            value, other = value[part], other[part]
        except (KeyError, IndexError):
            return
    try:
        value[last] = other[last]
    except (KeyError, IndexError):
        value.pop(last, None)


def changed_paths(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Where two values differ, as deep as possible."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from changed_paths(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from changed_paths(before, after, f"{path}[{number}]")
    elif old != new:
        yield path
