"""What commands return. How it looks is left to rendering.py; nothing is printed here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class SourceLocation:
    """`line` counts from 1; `file` is absolute, or counts from the working folder."""

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
    """Rows of text below a title; `columns` may be empty for a list of names and values."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Raw:
    """Text for another program: printed as it is, never wrapped or coloured."""

    text: str


@dataclass(frozen=True)
class HistogramPair:
    """Two distributions back to back below a title: what each side is called, and a row a bin with its two shares."""

    title: str
    labels: tuple[str, str]
    rows: tuple[tuple[str, float, float], ...]


Block = Line | Table | Raw | HistogramPair


class Result(ABC):
    """A command's answer: as a document for programs and as blocks for people."""

    @property
    def exit_code(self) -> int:
        """0, unless the answer itself is bad news."""
        return 0

    @property
    def outputs(self) -> Mapping[str, str]:
        """What later steps of a CI run need to know, by name."""
        return {}

    @property
    def summary(self) -> str | None:
        """What the page of a CI run shows, as Markdown; None for the blocks."""
        return None

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """Where in the project's files something is wrong."""
        return ()

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """The answer as one JSON object."""

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """The answer for people, from top to bottom."""
