"""GitHub Actions: files for outputs and summaries, workflow commands for the rest.

What commands may hold is escaped as the runner's own toolkit does; a file's delimiter is random, so that no value
can end its block and begin another output.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from mlops.ci.base import System, cut
from mlops.core.source_location import Place

_OUTPUT_FILE: Final = "GITHUB_OUTPUT"
_SUMMARY_FILE: Final = "GITHUB_STEP_SUMMARY"
_DELIMITER_BYTES: Final = 16
_TITLE: Final = "mlops"
# The runner takes `::command::` at the start of a line, and the older `##[command]` anywhere in it.
_COMMAND: Final = re.compile(r"^(\s*):(?=:)|#(?=#\[)")


class GitHubActions(System):
    """GitHub Actions, by its runner's variables."""

    name = "GitHub Actions"
    summary_limit = 1024 * 1024
    _root_variable = "GITHUB_WORKSPACE"

    def output(self, name: str, value: str) -> None:
        """A block of the output file."""
        delimiter = f"mlops_{secrets.token_hex(_DELIMITER_BYTES)}"
        self._append(_OUTPUT_FILE, f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def summary(self, markdown: str) -> None:
        """A part of the step's summary, as long as there is room."""
        file = self._file(_SUMMARY_FILE)
        used = file.stat().st_size if file and file.is_file() else 0
        self._append(_SUMMARY_FILE, cut(f"{markdown.rstrip()}\n\n", max(0, self.summary_limit - used)))

    def annotate(self, place: Place | None, message: str) -> None:
        """An error at a line of the changed files."""
        where = {"file": self.path_of(place), "line": str(place.line)} if place else {}
        properties = ",".join(f"{key}={_property(value)}" for key, value in {**where, "title": _TITLE}.items())
        self._tell(f"::error {properties}::{_data(message)}")

    def mask(self, secret: str) -> None:
        """Each line by itself: the runner looks for lines."""
        for line in filter(None, secret.splitlines()):
            self._tell(f"::add-mask::{_data(line)}")

    def open_group(self, title: str) -> None:
        """A fold of the log."""
        self._tell(f"::group::{_data(title)}")

    def close_group(self) -> None:
        """The fold's end."""
        self._tell("::endgroup::")

    def harmless(self, line: str) -> str:
        """The marks of commands with a space inside."""
        return _COMMAND.sub(lambda mark: f"{mark[0]} ", line)

    def _append(self, variable: str, text: str) -> None:
        file = self._file(variable)
        if file is not None:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(text)

    def _file(self, variable: str) -> Path | None:
        name = self._environment.get(variable)
        return Path(name) if name else None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
