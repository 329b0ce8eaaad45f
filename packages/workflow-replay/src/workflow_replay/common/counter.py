"""Consecutive numbers from several threads."""

from __future__ import annotations

import itertools
from threading import Lock


class Counter:
    """Counts from 0."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = itertools.count()

    def next(self) -> int:
        """The next number."""
        with self._lock:
            return next(self._numbers)
