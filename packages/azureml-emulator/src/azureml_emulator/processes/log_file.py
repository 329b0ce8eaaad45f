"""Reads the end of a log, and keeps logs of running processes below a size."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

_MAX_BYTES = 1 << 20
_CHECK_SECONDS = 5.0


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines of a log, of at most 1 MiB; none when the file does not exist."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _MAX_BYTES))
        return stream.read().decode(errors="replace").splitlines()[-count:]


def shorten(log: Path, limit: int) -> bool:
    """Drop the oldest lines of a log that has more than `limit` bytes, down to half of it. Returns whether it had.

    In place, because processes have the file open to append to it. What they write meanwhile may be dropped as well.
    """
    try:
        size = log.stat().st_size
        if size <= limit:
            return False
        with log.open("rb") as stream:
            # From one byte before, so that a line which begins just there stays.
            stream.seek(size - limit // 2 - 1)
            kept = stream.read(limit // 2 + 1).partition(b"\n")[2]
        notice = f"[{size - len(kept)} bytes were dropped here: a log may have {limit} bytes]\n"
        with os.fdopen(os.open(log, os.O_APPEND | os.O_WRONLY), "ab") as stream:
            os.ftruncate(stream.fileno(), 0)
            stream.write(notice.encode() + kept)
    except FileNotFoundError:
        return False
    return True


async def keep_short(logs: Callable[[], Iterable[Path]], limit: int, seconds: float = _CHECK_SECONDS) -> None:
    """Shorten these logs now and then, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        for log in list(logs()):
            await asyncio.to_thread(shorten, log, limit)
