"""The program and folder of a step that runs a script: script steps and four tasks. No I/O.

As on an agent, bash does not stop at the first error: the last command decides, unless the script has `set -e`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_replay.azure.pipeline.model import Step
from workflow_replay.effects import EffectFailed
from workflow_replay.errors import Unreplayable

_BASH = ("bash", "--noprofile", "--norc")
_POWERSHELL = ("pwsh", "-NoLogo", "-NoProfile", "-NonInteractive", "-File")
_PROGRAMS = {"bash": _BASH, "sh": _BASH, "pscore": _POWERSHELL, "pwsh": _POWERSHELL}


@dataclass(frozen=True)
class Script:
    """A script: its text, or a file of the repository with arguments. An empty `folder` is the default one."""

    program: tuple[str, ...]
    text: str
    file: str = ""
    arguments: tuple[str, ...] = ()
    folder: str = ""

    @property
    def suffix(self) -> str:
        """The suffix of the file with the text."""
        return ".sh" if self.program == _BASH else ".ps1"

    @property
    def source(self) -> str:
        """The text of the script, or its file and arguments."""
        return self.text if not self.file else shlex.join((self.file, *self.arguments))

    def command(self, written: Path) -> tuple[str, ...]:
        """Return the command line; `written` is the file with the text."""
        return (*self.program, self.file or str(written), *self.arguments)


def script_of(step: Step, subject: str, inputs: Mapping[str, str]) -> Script | None:
    """Return the script of a step, given its subject and inputs with macros expanded; None for other steps.

    Raises Unreplayable for what cannot be replayed, EffectFailed for a missing input.
    """
    match step.kind:
        case "script" | "bash":
            return Script(_BASH, subject, folder=inputs.get("workingDirectory", ""))
        case "pwsh" | "powershell":
            return Script(_POWERSHELL, subject, folder=inputs.get("workingDirectory", ""))
        case "task":
            return _task_script(step, subject.partition("@")[0].lower(), inputs)
        case _:
            return None


def _task_script(step: Step, name: str, inputs: Mapping[str, str]) -> Script | None:
    match name:
        case "cmdline":
            return Script(_BASH, _required(inputs, "script"), folder=inputs.get("workingDirectory", ""))
        case "bash" | "powershell":
            program = _BASH if name == "bash" else _POWERSHELL
            return _inline_or_file(
                program, inputs, "targetType", "filePath", "script", inputs.get("workingDirectory", "")
            )
        case "azurecli":
            kind = _required(inputs, "scriptType").lower()
            program = _PROGRAMS.get(kind)
            if program is None:
                message = f"AzureCLI with scriptType {kind} cannot be replayed: it needs an agent with Windows"
                raise Unreplayable(step.location.limit(message, "With scriptType bash or pscore it can."))
            folder = inputs.get("workingDirectory") or inputs.get("cwd") or ""
            return _inline_or_file(program, inputs, "scriptLocation", "scriptPath", "inlineScript", folder)
        case _:
            return None


def _inline_or_file(
    program: tuple[str, ...], inputs: Mapping[str, str], kind: str, path: str, text: str, folder: str
) -> Script:
    arguments = tuple(shlex.split(inputs.get("arguments", "")))
    if inputs.get(kind, "filePath").lower() in ("inline", "inlinescript"):
        return Script(program, _required(inputs, text), arguments=arguments, folder=folder)
    return Script(program, "", _required(inputs, path), arguments, folder)


def _required(inputs: Mapping[str, str], name: str) -> str:
    if not inputs.get(name):
        raise EffectFailed(f"Input required: {name}")
    return inputs[name]
