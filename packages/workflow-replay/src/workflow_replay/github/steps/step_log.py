"""The log of a step: lines with secrets masked, and the workflow commands (`::error::…`) in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from workflow_replay.common.masking import Masks
from workflow_replay.result import Annotation, Level

_COMMAND: Final = re.compile(r"\s*::([A-Za-z-]+)(?: ([^\r\n]*?))?::(.*)")
_LEVELS: Final[Mapping[str, Level]] = {
    "error": "error",
    "warning": "warning",
    "notice": "notice",
    "debug": "debug",
}
_DISABLED: Final = ("set-env", "add-path")
_IGNORED: Final = ("group", "endgroup", "echo", "add-matcher", "remove-matcher", "save-state")
_DATA: Final = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY: Final = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


class StepLog:
    """The log of a step. Lines may come from another thread than the reader's."""

    def __init__(self, masks: Masks, on_line: Callable[[str], None]) -> None:
        self._masks = masks
        self._on_line = on_line
        self._resume_token: str | None = None
        self._lines: list[str] = []
        self._annotations: list[Annotation] = []
        self.outputs: dict[str, str] = {}
        self.command_error: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines so far."""
        return tuple(self._lines)

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """The annotations so far."""
        return tuple(self._annotations)

    def line(self, text: str) -> None:
        """Add a line of output, and run its workflow command."""
        command = _COMMAND.fullmatch(text)
        if command is not None:
            name = command.group(1)
            if self._resume_token is not None:
                self._resume_token = None if name == self._resume_token else self._resume_token
            else:
                self._run_command(
                    name.lower(), _properties(command.group(2) or ""), _unescaped(command.group(3), _DATA)
                )
        self._add(text)

    def add_error(self, message: str) -> None:
        """Add an error of the runner."""
        self._annotations.append(Annotation("error", self._masks.hide(message)))
        self._add(f"##[error]{message}")

    def add_warning(self, message: str) -> None:
        """Add a warning of the runner."""
        self._annotations.append(Annotation("warning", self._masks.hide(message)))
        self._add(f"##[warning]{message}")

    def _add(self, text: str) -> None:
        hidden = self._masks.hide(text)
        self._lines.append(hidden)
        self._on_line(hidden)

    def _run_command(self, name: str, properties: Mapping[str, str], data: str) -> None:
        if name in _LEVELS:
            self._annotate(_LEVELS[name], properties, data)
        elif name == "add-mask":
            self._masks.add(data)
        elif name == "stop-commands":
            self._resume_token = data
        elif name == "set-output":
            self.outputs[properties.get("name", "")] = data
            self.add_warning("The `set-output` command is deprecated and will be disabled soon. Use GITHUB_OUTPUT.")
        elif name in _DISABLED:
            self.command_error = f"The `{name}` command is disabled. Use GITHUB_ENV or GITHUB_PATH."
        elif name not in _IGNORED:
            self.add_warning(f"Unknown workflow command {name!r}")

    def _annotate(self, level: Level, properties: Mapping[str, str], data: str) -> None:
        line = properties.get("line", "")
        self._annotations.append(
            Annotation(
                level=level,
                message=self._masks.hide(data),
                title=properties.get("title"),
                file=properties.get("file"),
                line=int(line) if line.isdecimal() else None,
            )
        )


def _properties(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip().lower(): _unescaped(value, _PROPERTY) for name, _, value in pairs}


def _unescaped(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for escaped, character in table:
        text = text.replace(escaped, character)
    return text
