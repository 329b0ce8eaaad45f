"""The lines of a deployment's log that say why it did not start. Pure text: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LINES = 20
_TRACEBACK = "Traceback (most recent call last):"
# A traceback below one of these is the consequence of the one above it.
_CONSEQUENCES = ("The above exception was the direct cause", "During handling of the above exception")


def log_excerpt(log: str) -> tuple[str, ...]:
    """The last root cause, a traceback without its consequences; the last lines where there is none."""
    lines = [line for line in log.splitlines() if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK)]
    causes = [index for index in starts if not _is_consequence(lines, index)]
    if not causes:
        return tuple(lines[-MOST_LINES:])
    return _traceback(lines[causes[-1] :])


def _is_consequence(lines: Sequence[str], index: int) -> bool:
    return index > 0 and lines[index - 1].strip().startswith(_CONSEQUENCES)


def _traceback(lines: Sequence[str]) -> tuple[str, ...]:
    """From its first line to the exception; frames are left out from the middle if it is long."""
    end = next((index for index, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines) - 1)
    return (lines[0], *lines[1 : end + 1][-MOST_LINES:])
