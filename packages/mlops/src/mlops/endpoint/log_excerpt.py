"""The lines of a deployment's log that say why it did not start. Pure text: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LINES = 20
_TRACEBACK = "Traceback (most recent call last):"


def log_excerpt(log: str) -> tuple[str, ...]:
    """The first traceback, where what the server says while it gives up comes later; else the last lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    starts = (index for index, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK))
    first = next(starts, None)
    return tuple(lines[-MOST_LINES:]) if first is None else _traceback(lines[first:])


def _traceback(lines: Sequence[str]) -> tuple[str, ...]:
    """From its first line to the exception; frames are left out from the middle if it is long."""
    end = next((index for index, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines) - 1)
    return (lines[0], *lines[1 : end + 1][-MOST_LINES:])
