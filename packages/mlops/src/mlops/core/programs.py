"""External programs such as `gh` and `az`: started without a shell, with a timeout."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.core.errors import MachineError

_TIMEOUT_SECONDS: Final = 120


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
