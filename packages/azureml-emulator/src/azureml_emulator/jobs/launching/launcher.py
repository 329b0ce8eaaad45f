"""How a step's process is started: what is asked, what is given back, and the plain way. `warm.py` is the other."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azureml_emulator.jobs.definitions.command_line import plain_arguments
from azureml_emulator.processes.supervisor import Processes


@dataclass(frozen=True)
class Launch:
    """One process to start: `command` is its whole command line, `log` gets its output appended."""

    identifier: str
    command: str
    folder: Path
    environment: dict[str, str]
    log: Path


class StepProcess(Protocol):
    """A step that runs."""

    @property
    def pid(self) -> int:
        """The id of the process, which leads a group of its own."""
        ...

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        ...

    async def stop(self) -> int:
        """End the whole group."""
        ...


class Launcher(Protocol):
    """Starts steps."""

    async def start(self, launch: Launch) -> StepProcess:
        """Start one. Raises OSError when it cannot."""
        ...

    def describe(self, command: str) -> str:
        """In a few words how this command would be started, for the step's log."""
        ...


class PlainLauncher:
    """Starts every step as a fresh process: plain Python commands directly, all else by a shell as Azure does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def start(self, launch: Launch) -> StepProcess:
        """Start one. Raises OSError when it cannot."""
        return await self._processes.spawn(
            launch.identifier,
            command_words(launch.command),
            folder=launch.folder,
            environment={**launch.environment, "PYTHONUNBUFFERED": "1"},
            log=launch.log,
        )

    def describe(self, command: str) -> str:
        """A process of its own, or a shell."""
        return "a process of its own" if plain_arguments(command) else "bash"


def command_words(command: str) -> list[str]:
    """The words to execute: this interpreter for a plain Python command, a shell for any other."""
    words = plain_arguments(command)
    if words is not None:
        return [sys.executable, *words[1:]]
    return [shutil.which("bash") or "/bin/sh", "-c", command]
