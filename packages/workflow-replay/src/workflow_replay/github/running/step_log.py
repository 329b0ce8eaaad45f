"""What a step prints: kept with secrets hidden, and workflow commands (`::error::…`) taken out of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from workflow_replay.masking import Masks
from workflow_replay.record import Annotation, Level

_COMMAND: Final = re.compile(r"\s*::([A-Za-z-]+)(?: ([^\r\n]*?))?::(.*)")
_REMARKS: Final[Mapping[str, Level]] = {"error": "error", "warning": "warning", "notice": "notice", "debug": "debug"}
_SWITCHED_OFF: Final = ("set-env", "add-path")
_PASSED_OVER: Final = ("group", "endgroup", "echo", "add-matcher", "remove-matcher", "save-state")
_DATA: Final = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY: Final = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


class StepLog:
    """The output of one step. Lines may come from another thread than whoever reads."""

    def __init__(self, masks: Masks, on_line: Callable[[str], None]) -> None:
        self._masks = masks
        self._on_line = on_line
        self._resume: str | None = None
        self._lines: list[str] = []
        self._annotations: list[Annotation] = []
        self.outputs: dict[str, str] = {}
        self.broken: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was printed so far."""
        return tuple(self._lines)

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """The remarks so far."""
        return tuple(self._annotations)

    def line(self, text: str) -> None:
        """Take one printed line."""
        command = _COMMAND.fullmatch(text)
        if command is not None:
            name = command.group(1)
            if self._resume is not None:
                self._resume = None if name == self._resume else self._resume
            else:
                self._obey(name.lower(), _properties(command.group(2) or ""), _unescaped(command.group(3), _DATA))
        self._keep(text)

    def wrong(self, message: str) -> None:
        """Say as the runner that something went wrong."""
        self._annotations.append(Annotation("error", self._masks.hide(message)))
        self._keep(f"##[error]{message}")

    def doubt(self, message: str) -> None:
        """Say as the runner that something is doubtful."""
        self._annotations.append(Annotation("warning", self._masks.hide(message)))
        self._keep(f"##[warning]{message}")

    def _keep(self, text: str) -> None:
        hidden = self._masks.hide(text)
        self._lines.append(hidden)
        self._on_line(hidden)

    def _obey(self, name: str, properties: Mapping[str, str], data: str) -> None:
        if name in _REMARKS:
            self._remark(_REMARKS[name], properties, data)
        elif name == "add-mask":
            self._masks.add(data)
        elif name == "stop-commands":
            self._resume = data
        elif name == "set-output":
            self.outputs[properties.get("name", "")] = data
            self.doubt("The `set-output` command is deprecated and will be disabled soon. Use GITHUB_OUTPUT.")
        elif name in _SWITCHED_OFF:
            self.broken = f"The `{name}` command is disabled. Use the file that GITHUB_ENV or GITHUB_PATH names."
        elif name not in _PASSED_OVER:
            self.doubt(f"There is no workflow command {name!r}")

    def _remark(self, level: Level, properties: Mapping[str, str], data: str) -> None:
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
