"""GitHub's patterns for branches, tags and paths: `*`, `**`, `?`, `+`, `[]` and a leading `!`; the last match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from workflow_replay.github.workflow import Filters

_WITHIN_A_NAME: Final = "[^/]*"
_ANYTHING: Final = ".*"


def ref_matches(name: str, only: Iterable[str] | None, ignored: Iterable[str] | None) -> bool:
    """Whether a branch or a tag passes a filter; one that says nothing lets everything pass."""
    if only is not None:
        return _last_word(name, only)
    return ignored is None or not _last_word(name, ignored)


def paths_match(paths: Iterable[str], filters: Filters) -> bool:
    """Whether any changed file passes the filter of paths."""
    if filters.paths is not None:
        return any(_last_word(path, filters.paths) for path in paths)
    if filters.paths_ignore is not None:
        return any(not _last_word(path, filters.paths_ignore) for path in paths)
    return True


def _last_word(name: str, patterns: Iterable[str]) -> bool:
    matched = False
    for pattern in patterns:
        negative = pattern.startswith("!")
        if _compiled(pattern.removeprefix("!") if negative else pattern).fullmatch(name):
            matched = not negative
    return matched


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression. `?` and `+` count for the character before them, as GitHub has it."""
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        part, place = _part(pattern, place, parts)
        if part in ("?", "+") and parts:
            parts[-1] = f"(?:{parts[-1]}){part}"
        else:
            parts.append(part)
    return re.compile("".join(parts), re.DOTALL)


def _part(pattern: str, place: int, before: list[str]) -> tuple[str, int]:
    if pattern.startswith("**/", place) and (place == 0 or pattern[place - 1] == "/"):
        # Folders in front, or none.
        return "(?:.*/)?", place + 3
    if pattern.startswith("**", place):
        return _ANYTHING, place + 2
    character = pattern[place]
    if character == "*":
        return _WITHIN_A_NAME, place + 1
    if character in "?+" and before:
        return character, place + 1
    end = pattern.find("]", place + 1)
    if character == "[" and end > place + 1:
        inside = re.sub(r"([\\^\[])", r"\\\1", pattern[place + 1 : end])
        return f"[{inside}]", end + 1
    if character == "\\" and place + 1 < len(pattern):
        return re.escape(pattern[place + 1]), place + 2
    return re.escape(character), place + 1
