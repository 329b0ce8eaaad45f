"""What every CI system understands: outputs, summaries, annotations, masks and groups.

Commands to a system go to standard error, which both systems read like standard output: a program that reads
standard output gets our answer and nothing else.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mlops.core.source_location import Place


class System(ABC):
    """A CI system, or none."""

    name: ClassVar[str]
    # In characters of UTF-8; what a summary has beyond it is left out, and said.
    summary_limit: ClassVar[int]

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @abstractmethod
    def output(self, name: str, value: str) -> None:
        """Hand a value to later steps and jobs; any text is safe."""

    @abstractmethod
    def summary(self, markdown: str) -> None:
        """Show a text on the page of the run."""

    @abstractmethod
    def annotate(self, place: Place | None, message: str) -> None:
        """Show an error, at its line where there is one."""

    @abstractmethod
    def mask(self, secret: str) -> None:
        """Have a value hidden in the logs."""

    @abstractmethod
    def open_group(self, title: str) -> None:
        """Begin lines that people fold."""

    @abstractmethod
    def close_group(self) -> None:
        """End them."""

    @abstractmethod
    def harmless(self, line: str) -> str:
        """A line of output that the system takes for text, whatever it holds."""

    def path_of(self, place: Place) -> str:
        """Where a place lies below the folder that the system checked out."""
        file = place.file.absolute()
        folder = Path(self._environment.get(self._root_variable, "") or Path.cwd())
        return (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix()

    _root_variable: ClassVar[str] = ""

    def _tell(self, command: str) -> None:
        # Not sys.stderr: that one makes commands harmless.
        stream = sys.__stderr__
        if stream is not None:
            sys.stderr.flush()
            print(command, file=stream, flush=True)


def cut(markdown: str, limit: int) -> str:
    """A text in at most `limit` bytes of UTF-8; a cut is said at its end."""
    raw = markdown.encode()
    if len(raw) <= limit:
        return markdown
    notice = "\n\n*Shortened: this is as much as the page of a run shows.*\n"
    return raw[: max(0, limit - len(notice.encode()))].decode(errors="ignore") + notice[:limit]
