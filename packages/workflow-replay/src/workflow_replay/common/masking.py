"""Masks secrets in the output of a run as both services do: each occurrence of a value becomes three asterisks."""

from __future__ import annotations

from threading import Lock
from typing import Final

_MASK: Final = "***"


class Masks:
    """The values to mask in one run, shared by jobs that run in parallel."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """Mask a value from now on; of a value with several lines, each line."""
        found = {line.strip("\r") for line in value.split("\n")} | {value}
        with self._lock:
            known = {text for text in found if text.strip()} | set(self._values)
            # The longest first: masking a part of a longer value would reveal the rest of it.
            self._values = tuple(sorted(known, key=len, reverse=True))

    def hide(self, text: str) -> str:
        """The text with all values masked."""
        for value in self._values:
            text = text.replace(value, _MASK)
        return text
