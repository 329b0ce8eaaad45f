"""External programs such as `gh` and `az`, started without a shell, with a timeout; and what else this machine runs."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.core.errors import MachineError

_TIMEOUT_SECONDS: Final = 120
# With this many runnable processes per core, everything takes several times as long.
_BUSY_FACTOR: Final = 2
_BUSIEST: Final = 5
_PERCENT_OF_A_CORE: Final = 10.0


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended, and what it printed."""

    code: int
    stdout: str
    stderr_lines: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why it failed: the last line of standard error says the most."""
        return self.stderr_lines[-1] if self.stderr_lines else f"it exited with {self.code}"


def run_program(
    command: Sequence[str],
    folder: Path,
    stdin: str = "",
    otherwise: str = "",
    timeout_seconds: float = _TIMEOUT_SECONDS,
    variables: Mapping[str, str] | None = None,
) -> ProgramResult:
    """Run a program in a folder; `otherwise` says what else to do if it is not installed.

    `variables` are its whole environment; by default it inherits this process's.

    Raises MachineError when it is missing or hangs.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        advice = f"Install `{command[0]}` and log in{f', or {otherwise}' if otherwise else ''}."
        raise MachineError(f"`{command[0]}` is not installed", advice) from error
    except subprocess.TimeoutExpired as error:
        message = f"`{' '.join(command[:3])}` timed out after {timeout_seconds:.0f} s"
        raise MachineError(message, "Check the network and run again: nothing is done twice.") from error
    return ProgramResult(done.returncode, done.stdout, tuple(done.stderr.strip().splitlines()))


def output_of(command: Sequence[str], folder: Path, stdin: str = "", otherwise: str = "") -> str:
    """The standard output of a program that must succeed. Raises MachineError with its standard error."""
    result = run_program(command, folder, stdin, otherwise)
    if result.code != 0:
        advice = f"Log in with `{command[0]}` and run again: nothing is done twice."
        raise MachineError(f"`{' '.join(command[:3])}` failed", advice, result.stderr_lines)
    return result.stdout


@dataclass(frozen=True)
class MachineLoad:
    """How many processes wanted to run during the last minute, and on how many cores."""

    average: float
    cores: int

    @property
    def most(self) -> int:
        """The load from which the machine is busy."""
        return _BUSY_FACTOR * self.cores

    @property
    def is_busy(self) -> bool:
        """Whether a time that is measured now says more of the machine than of what is measured."""
        return self.average >= self.most

    def __str__(self) -> str:
        return f"load {self.average:.1f} on {self.cores} cores"


def machine_load() -> MachineLoad:
    """The load of this machine now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return MachineLoad(os.getloadavg()[0], cores or 1)


def busiest_programs() -> tuple[str, ...]:
    """A line for each program that uses much of the processors; none where `ps` is missing."""
    try:
        listed = run_program(["ps", "-A", "-o", "pcpu=,comm="], Path.cwd()).stdout
    except MachineError:
        return ()
    shares: dict[str, list[float]] = defaultdict(list)
    for line in listed.splitlines():
        share, _, name = line.strip().partition(" ")
        shares[Path(name.strip()).name].append(float(share))
    used = sorted(((sum(each), len(each), name) for name, each in shares.items()), reverse=True)
    return tuple(
        f"{share:.0f} % of a core: {name}{f' ({count} processes)' if count > 1 else ''}"
        for share, count, name in used[:_BUSIEST]
        if share >= _PERCENT_OF_A_CORE
    )
