"""Hides secrets in what a run prints, as both services do: every occurrence of a value becomes three stars."""

from __future__ import annotations

from threading import Lock
from typing import Final

_MASK: Final = "***"


class Masks:
    """The values to hide in one run; jobs that run at the same time share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """Hide a value from now on; of a value with several lines, each line."""
        found = {line.strip("\r") for line in value.split("\n")} | {value}
        with self._lock:
            known = {text for text in found if text.strip()} | set(self._values)
            # The longest first: what is left of a longer one after a shorter would still tell.
            self._values = tuple(sorted(known, key=len, reverse=True))

    def hide(self, text: str) -> str:
        """The text with all values hidden."""
        for value in self._values:
            text = text.replace(value, _MASK)
        return text
