"""GitHub's filter patterns for refs and paths: `*`, `**`, `?`, `+`, `[]` and a leading `!`; the last match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from workflow_replay.github.definition.model import Filters

_WITHIN_SEGMENT: Final = "[^/]*"
_ANYTHING: Final = ".*"


def ref_matches(name: str, only: Iterable[str] | None, ignored: Iterable[str] | None) -> bool:
    """Whether a branch or tag passes a filter; without patterns everything does."""
    if only is not None:
        return _last_match(name, only)
    return ignored is None or not _last_match(name, ignored)


def paths_match(paths: Iterable[str], filters: Filters) -> bool:
    """Whether any changed file passes the path filter."""
    if filters.paths is not None:
        return any(_last_match(path, filters.paths) for path in paths)
    if filters.paths_ignore is not None:
        return any(not _last_match(path, filters.paths_ignore) for path in paths)
    return True


def _last_match(name: str, patterns: Iterable[str]) -> bool:
    matched = False
    for pattern in patterns:
        negative = pattern.startswith("!")
        if _compiled(pattern.removeprefix("!") if negative else pattern).fullmatch(name):
            matched = not negative
    return matched


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression. As on GitHub, `?` and `+` apply to the preceding character."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        part, position = _part(pattern, position, parts)
        if part in ("?", "+") and parts:
            parts[-1] = f"(?:{parts[-1]}){part}"
        else:
            parts.append(part)
    return re.compile("".join(parts), re.DOTALL)


def _part(pattern: str, position: int, before: list[str]) -> tuple[str, int]:
    if pattern.startswith("**/", position) and (position == 0 or pattern[position - 1] == "/"):
        # Any number of folders, including none.
        return "(?:.*/)?", position + 3
    if pattern.startswith("**", position):
        return _ANYTHING, position + 2
    character = pattern[position]
    if character == "*":
        return _WITHIN_SEGMENT, position + 1
    if character in "?+" and before:
        return character, position + 1
    end = pattern.find("]", position + 1)
    if character == "[" and end > position + 1:
        inside = re.sub(r"([\\^\[])", r"\\\1", pattern[position + 1 : end])
        return f"[{inside}]", end + 1
    if character == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    return re.escape(character), position + 1
