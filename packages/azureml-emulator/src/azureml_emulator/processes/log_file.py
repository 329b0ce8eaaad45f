"""Reads the end of a log."""

from __future__ import annotations

from pathlib import Path

_MAX_BYTES = 1 << 20


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines of a log, of at most 1 MiB; none when the file does not exist."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _MAX_BYTES))
        return stream.read().decode(errors="replace").splitlines()[-count:]
