"""A command line taken apart by a table of the flags that a command has; whatever is not in it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Takes(Enum):
    """What follows a flag."""

    NOTHING = 0
    VALUE = 1
    VALUES = 2
    """Everything up to the next flag, as Azure's command line does."""
    REPEATED = 3
    """One value each time; the flag may come again."""


@dataclass(frozen=True)
class Flag:
    """One flag: its names, the first of which it is known by."""

    names: tuple[str, ...]
    takes: Takes = Takes.VALUE


class UnknownFlag(Exception):
    """A flag that is not in the table."""


class MissingValue(Exception):
    """A flag that needs a value and has none."""


@dataclass
class Parsed:
    """Positional words and flags by their first name."""

    words: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str, otherwise: str | None = None) -> str | None:
        """A flag's last value."""
        return self.values[name][-1] if self.values.get(name) else otherwise

    def needed(self, name: str) -> str:
        """A flag's value that must be there. Raises MissingValue."""
        value = self.one(name)
        if value is None:
            raise MissingValue(name)
        return value

    def has(self, name: str) -> bool:
        """Whether a flag was given."""
        return name in self.values


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> Parsed:
    """Take a command line apart. Raises UnknownFlag and MissingValue."""
    known = {name: flag for flag in flags for name in flag.names}
    parsed = Parsed()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "-" or not word.startswith("-"):
            parsed.words.append(word)
        elif name in known:
            taken = _taken(known[name], name, value if equals else None, rest, known)
            parsed.values.setdefault(known[name].names[0], []).extend(taken)
        else:
            raise UnknownFlag(name)
    return parsed


def _taken(flag: Flag, name: str, given: str | None, rest: list[str], known: Mapping[str, Flag]) -> list[str]:
    if flag.takes is Takes.NOTHING:
        return [given or "true"]
    if given is not None:
        return [given]
    if not rest:
        raise MissingValue(name)
    if flag.takes is not Takes.VALUES:
        return [rest.pop(0)]
    values = []
    while rest and rest[0].partition("=")[0] not in known and not rest[0].startswith("--"):
        values.append(rest.pop(0))
    if not values:
        raise MissingValue(name)
    return values
