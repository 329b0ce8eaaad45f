"""A line of a file of the project, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceLocation:
    """`line` counts from 1; `file` is absolute, or counts from the working folder."""

    file: Path
    line: int
    message: str
