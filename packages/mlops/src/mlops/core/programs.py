"""Programs of others that this machine has (`gh`, `az`): started without a shell, waited for, never half answered."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.core.errors import MachineError

_TIMEOUT_SECONDS: Final = 120


@dataclass(frozen=True)
class Answer:
    """How a program ended, and what it said."""

    code: int
    text: str
    stderr_lines: tuple[str, ...]

    @property
    def last_complaint(self) -> str:
        """The line that says most."""
        return self.stderr_lines[-1] if self.stderr_lines else f"it ended with {self.code}"


def ask(
    command: Sequence[str],
    folder: Path,
    given: str = "",
    otherwise: str = "",
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> Answer:
    """Run a program in a folder. Raises MachineError where it is missing (`otherwise`: what else to do) or hangs."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        advice = f"Install `{command[0]}` and log in{f', or {otherwise}' if otherwise else ''}."
        raise MachineError(f"`{command[0]}` is not installed", advice) from error
    except subprocess.TimeoutExpired as error:
        message = f"`{' '.join(command[:3])}` did not end within {timeout_seconds:.0f} s"
        raise MachineError(message, "Is the network there? Run again: nothing is done twice.") from error
    return Answer(done.returncode, done.stdout, tuple(done.stderr.strip().splitlines()))


def require(command: Sequence[str], folder: Path, given: str = "", otherwise: str = "") -> str:
    """What a program that must succeed prints. Raises MachineError with what it complained of."""
    answer = ask(command, folder, given, otherwise)
    if answer.code != 0:
        advice = f"Log in with `{command[0]}` and run again: nothing is done twice."
        raise MachineError(f"`{' '.join(command[:3])}` failed", advice, answer.stderr_lines)
    return answer.text
