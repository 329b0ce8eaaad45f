"""Parses logging commands in the output of a step: `##vso[area.action name=value;…]data`. No I/O.

A line has at most one command, at any position. Escape sequences are decoded in the agent's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PREFIX = "##vso["
_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))


@dataclass(frozen=True)
class LoggingCommand:
    """A command: `name` is "area.action"; it and the names of properties are in lower case."""

    name: str
    properties: Mapping[str, str]
    data: str

    def get(self, key: str) -> str:
        """Return a property, empty if it is missing."""
        return self.properties.get(key.lower(), "")

    def flag(self, key: str) -> bool:
        """Tell whether a property is `true`."""
        return self.get(key).strip().lower() == "true"


def command(line: str) -> LoggingCommand | None:
    """Return the command in a line of output, or None for an ordinary line or an invalid command."""
    start = line.lower().find(_PREFIX)
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, rest = line[start + len(_PREFIX) : end].strip().partition(" ")
    area, _, action = name.partition(".")
    if not area or not action:
        return None
    pairs = (part.partition("=") for part in rest.split(";"))
    properties = {key.strip().lower(): _plain(value) for key, mark, value in pairs if key.strip() and mark}
    return LoggingCommand(name.lower(), properties, _plain(line[end + 1 :]))


def _plain(text: str) -> str:
    for escaped, character in _ESCAPES:
        text = text.replace(escaped, character)
    return text
