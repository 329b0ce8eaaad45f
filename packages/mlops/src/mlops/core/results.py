"""What commands return. rendering.py decides how it looks; nothing is printed here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class SourceLocation:
    """`line` counts from 1; `file` is absolute, or relative to the working folder."""

    file: Path
    line: int
    message: str


Tone = Literal["plain", "good", "bad", "hint"]


@dataclass(frozen=True)
class Line:
    """One line of text."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Table:
    """Rows of text below a title; `columns` may be empty for a list of names and values.

    `optional` are columns that a narrow terminal leaves out, the first one first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()

    def without(self, name: str) -> Table:
        """The table without a column."""
        at = self.columns.index(name)
        rows = tuple((*row[:at], *row[at + 1 :]) for row in self.rows)
        return Table(self.title, (*self.columns[:at], *self.columns[at + 1 :]), rows)


@dataclass(frozen=True)
class Raw:
    """Text for another program: printed as it is, never wrapped or coloured."""

    text: str


@dataclass(frozen=True)
class HistogramPair:
    """Two distributions back to back below a title: the label of each side, and one row per bin with its two shares."""

    title: str
    labels: tuple[str, str]
    rows: tuple[tuple[str, float, float], ...]


Block = Line | Table | Raw | HistogramPair


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 row" and "1,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Result(ABC):
    """A command's result: as a document for programs and as blocks for people."""

    @property
    def exit_code(self) -> int:
        """0, unless the result itself is a failure."""
        return 0

    @property
    def outputs(self) -> Mapping[str, str]:
        """Outputs for later steps of a CI run, by name."""
        return {}

    @property
    def summary(self) -> str | None:
        """The summary of a CI run, as Markdown; None to show the blocks."""
        return None

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """The lines of the project's files that need correction."""
        return ()

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """The result as one JSON object."""

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """The result for people, from top to bottom."""
