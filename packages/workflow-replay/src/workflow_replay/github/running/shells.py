"""Which program runs the script of a step, with which options, by GitHub's rules."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PLACE: Final = "{0}"
_KNOWN: Final[dict[str, tuple[str, str]]] = {
    "bash": ("bash --noprofile --norc -eo pipefail {0}", ".sh"),
    "sh": ("sh -e {0}", ".sh"),
    "python": ("python {0}", ".py"),
    "pwsh": ("pwsh -command . '{0}'", ".ps1"),
    "powershell": ("powershell -command . '{0}'", ".ps1"),
    "cmd": ('cmd /D /E:ON /V:OFF /S /C "CALL {0}"', ".cmd"),
}
# What is taken when nobody says: without pipefail, which surprises many.
_UNSAID: Final = {"Linux": ("bash -e {0}", ".sh"), "macOS": ("bash -e {0}", ".sh"), "Windows": _KNOWN["pwsh"]}


class ShellError(Exception):
    """The shell is none; the text says why."""


@dataclass(frozen=True)
class Shell:
    """A program for scripts: words of which one has `{0}` for the script's file."""

    words: tuple[str, ...]
    suffix: str

    def command(self, script: Path) -> list[str]:
        """The words to run for a script."""
        return [word.replace(_PLACE, str(script)) for word in self.words]


def shell(name: str | None, system: str) -> Shell:
    """The shell that a step asks for; None is what the system has. Raises ShellError."""
    template, suffix = _UNSAID[system] if name is None else _KNOWN.get(name.lower(), (name, ".sh"))
    if _PLACE not in template:
        raise ShellError(f"Invalid shell option {name!r}: a known shell, or a command with {_PLACE} in it")
    try:
        return Shell(tuple(shlex.split(template)), suffix)
    except ValueError as error:
        raise ShellError(f"Invalid shell option {name!r}: {error}") from error
