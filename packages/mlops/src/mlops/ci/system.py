"""What every CI system can be told, and the one that runs us, as its variables say. No system: nothing is written.

Commands to a system go to standard error, which both systems read like standard output: a program that reads
standard output gets our answer and nothing else.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from mlops.ci.place import Place

# Shorter values would hide every second word of a log.
_SHORTEST_SECRET: Final = 4


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


class NoSystem(System):
    """A person's own shell: what is printed is all there is."""

    name = ""
    summary_limit = 0

    def output(self, name: str, value: str) -> None:
        """Nobody takes it."""

    def summary(self, markdown: str) -> None:
        """There is no page."""

    def annotate(self, place: Place | None, message: str) -> None:
        """The error is printed anyway."""

    def mask(self, secret: str) -> None:
        """There is no log."""

    def open_group(self, title: str) -> None:
        """Nothing folds."""

    def close_group(self) -> None:
        """Nothing folds."""

    def harmless(self, line: str) -> str:
        """Nobody reads commands here."""
        return line


def current(environment: Mapping[str, str] = os.environ) -> System:
    """The system that runs us."""
    if environment.get("GITHUB_ACTIONS", "").lower() == "true":
        from mlops.ci.github import GitHubActions

        return GitHubActions(environment)
    if environment.get("TF_BUILD", "").lower() == "true":
        from mlops.ci.azure_pipelines import AzurePipelines

        return AzurePipelines(environment)
    return NoSystem(environment)


def mask(secret: str) -> None:
    """Have a secret that was just learned hidden in the log of the system that runs us."""
    if len(secret) >= _SHORTEST_SECRET:
        current().mask(secret)


@contextmanager
def group(title: str) -> Generator[None]:
    """Lines that people fold."""
    system = current()
    system.open_group(title)
    try:
        yield
    finally:
        system.close_group()


def cut(markdown: str, limit: int) -> str:
    """A text in at most `limit` bytes of UTF-8; a cut is said at its end."""
    raw = markdown.encode()
    if len(raw) <= limit:
        return markdown
    notice = "\n\n*Shortened: this is as much as the page of a run shows.*\n"
    return raw[: max(0, limit - len(notice.encode()))].decode(errors="ignore") + notice[:limit]
