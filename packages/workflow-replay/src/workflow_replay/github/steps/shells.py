"""The shells of GitHub's runner: the program and options that run the script of a step."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PLACEHOLDER: Final = "{0}"
_KNOWN: Final[dict[str, tuple[str, str]]] = {
    "bash": ("bash --noprofile --norc -eo pipefail {0}", ".sh"),
    "sh": ("sh -e {0}", ".sh"),
    "python": ("python {0}", ".py"),
    "pwsh": ("pwsh -command . '{0}'", ".ps1"),
    "powershell": ("powershell -command . '{0}'", ".ps1"),
    "cmd": ('cmd /D /E:ON /V:OFF /S /C "CALL {0}"', ".cmd"),
}
# Without `shell`, bash runs without pipefail.
_DEFAULT: Final = {"Linux": ("bash -e {0}", ".sh"), "macOS": ("bash -e {0}", ".sh"), "Windows": _KNOWN["pwsh"]}


class ShellError(Exception):
    """The `shell` of a step is invalid."""


@dataclass(frozen=True)
class Shell:
    """A command line with `{0}` in place of the script's file."""

    words: tuple[str, ...]
    suffix: str

    def command(self, script: Path) -> list[str]:
        """The command line for a script."""
        return [word.replace(_PLACEHOLDER, str(script)) for word in self.words]


def shell(name: str | None, system: str) -> Shell:
    """The shell of this name or template; None is the default of the operating system. Raises ShellError."""
    template, suffix = _DEFAULT[system] if name is None else _KNOWN.get(name.lower(), (name, ".sh"))
    if _PLACEHOLDER not in template:
        raise ShellError(f"Invalid shell option {name!r}: use a known shell, or a command with {_PLACEHOLDER}")
    try:
        return Shell(tuple(shlex.split(template)), suffix)
    except ValueError as error:
        raise ShellError(f"Invalid shell option {name!r}: {error}") from error
