"""The interface for starting the process of a step, and its simple implementation; `fork_launcher.py` is the other."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azureml_emulator.jobs.definitions.command_line import plain_arguments
from azureml_emulator.processes.private_network import joining
from azureml_emulator.processes.supervisor import Processes


@dataclass(frozen=True)
class Launch:
    """One process to start: `command` is the whole command line; output is appended to `log`.

    `interpreter` runs plain Python commands; None for the emulator's own. `network` is the id of the process whose
    network it shares; None for that of this machine.
    """

    identifier: str
    command: str
    folder: Path
    environment: dict[str, str]
    log: Path
    interpreter: Path | None = None
    network: int | None = None


class StepProcess(Protocol):
    """The process of a running step."""

    @property
    def pid(self) -> int:
        """The id of the process, which leads its own process group."""
        ...

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        ...

    async def stop(self) -> int:
        """Stop the whole process group."""
        ...


class Launcher(Protocol):
    """Starts the processes of steps."""

    async def start(self, launch: Launch) -> StepProcess:
        """Start a process. Raises OSError."""
        ...

    async def describe(self, launch: Launch) -> str:
        """How a process is going to be started, for the log of the step: "as a fresh process"."""
        ...


class PlainLauncher:
    """Starts every step as a fresh process: plain Python commands directly, all others by a shell, as Azure does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def start(self, launch: Launch) -> StepProcess:
        """Start a process. Raises OSError."""
        words = command_words(launch.command, launch.interpreter)
        return await self._processes.spawn(
            launch.identifier,
            words if launch.network is None else joining(launch.network, words),
            folder=launch.folder,
            environment={**launch.environment, "PYTHONUNBUFFERED": "1"},
            log=launch.log,
        )

    async def describe(self, launch: Launch) -> str:
        """How a process is going to be started."""
        return "as a fresh process" if plain_arguments(launch.command) else "by bash"


def command_words(command: str, interpreter: Path | None = None) -> list[str]:
    """The arguments to execute: an interpreter, by default this one, for a plain Python command; else a shell."""
    words = plain_arguments(command)
    if words is not None:
        return [str(interpreter or sys.executable), *words[1:]]
    return [shutil.which("bash") or "/bin/sh", "-c", command]
