"""File commands: GITHUB_OUTPUT, GITHUB_ENV, GITHUB_PATH, GITHUB_STEP_SUMMARY and GITHUB_STATE."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAX_SUMMARY_BYTES: Final = 1024 * 1024
_VARIABLES: Final = {
    "output": "GITHUB_OUTPUT",
    "env": "GITHUB_ENV",
    "path": "GITHUB_PATH",
    "summary": "GITHUB_STEP_SUMMARY",
    "state": "GITHUB_STATE",
}
# The runner does not let steps set these.
_PROTECTED: Final = frozenset({"NODE_OPTIONS"})


class FileCommandError(Exception):
    """A step wrote an invalid file command; the text is GitHub's message."""


@dataclass(frozen=True)
class FileCommands:
    """What a step wrote."""

    outputs: dict[str, str]
    variables: dict[str, str]
    paths: tuple[str, ...]
    summary: str


class CommandFiles:
    """The command files of a step, in a `folder` of its own, which is created."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._files = {kind: folder / kind for kind in _VARIABLES}
        for file in self._files.values():
            file.touch()

    def variables(self) -> dict[str, str]:
        """The environment variables that name them."""
        return {_VARIABLES[kind]: str(file) for kind, file in self._files.items()}

    def read(self) -> FileCommands:
        """What the step wrote. Raises FileCommandError."""
        variables = _pairs(self._text("env"))
        for name in variables:
            if name.upper() in _PROTECTED:
                raise FileCommandError(f"Can't store {name} output parameter using '$GITHUB_ENV' command.")
        _pairs(self._text("state"))
        return FileCommands(
            outputs=_pairs(self._text("output")),
            variables=variables,
            paths=tuple(line for line in self._text("path").splitlines() if line.strip()),
            summary=self._summary(),
        )

    def _summary(self) -> str:
        text = self._text("summary")
        if len(text.encode()) > _MAX_SUMMARY_BYTES:
            raise FileCommandError("$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k.")
        return text

    def _text(self, kind: str) -> str:
        return self._files[kind].read_text(encoding="utf-8-sig", errors="replace")


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            value, position = _until(lines, position, delimiter, line)
        else:
            raise FileCommandError(f"Invalid format '{line}'")
        if not name:
            raise FileCommandError(f"Invalid format '{line}'. Name must not be empty")
        found[name] = value
    return found


def _until(lines: list[str], position: int, delimiter: str, line: str) -> tuple[str, int]:
    if not delimiter:
        raise FileCommandError(f"Invalid format '{line}'. Delimiter must not be empty")
    for end in range(position, len(lines)):
        if lines[end] == delimiter:
            return "\n".join(lines[position:end]), end + 1
    raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")
