"""Azure Pipelines: logging commands for everything; a summary is a file that a command names."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from mlops.ci.base import System, cut
from mlops.core.source_location import Place

_MACRO: Final = "$("
_FOLDER_VARIABLE: Final = "AGENT_TEMPDIRECTORY"
# The agent takes `##vso[…]` and `##[…]` wherever they stand in a line.
_COMMAND: Final = re.compile(r"#(?=#(?:vso)?\[)", re.IGNORECASE)


class AzurePipelines(System):
    """Azure Pipelines, by its agent's variables."""

    name = "Azure Pipelines"
    summary_limit = 1024 * 1024
    _root_variable = "BUILD_SOURCESDIRECTORY"

    def output(self, name: str, value: str) -> None:
        """An output variable of the step, which other jobs and stages name by the step's name.

        A macro in it is broken up: the agent would follow it, and hand over what it leads to, such as a token.
        """
        plain = value.replace(_MACRO, f"{_MACRO[0]} {_MACRO[1]}")
        self._tell(f"##vso[task.setvariable variable={_property(name)};isOutput=true]{_data(plain)}")

    def summary(self, markdown: str) -> None:
        """A file that the agent uploads when the step ends: it must outlive this process."""
        folder = self._environment.get(_FOLDER_VARIABLE) or None
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix="mlops-", suffix=".md", delete=False, encoding="utf-8"
        ) as file:
            file.write(cut(markdown, self.summary_limit))
        self._tell(f"##vso[task.uploadsummary]{_data(str(Path(file.name)))}")

    def annotate(self, place: Place | None, message: str) -> None:
        """An error of the run, with its file and line."""
        where = f";sourcepath={_property(self.path_of(place))};linenumber={place.line}" if place else ""
        self._tell(f"##vso[task.logissue type=error{where}]{_data(message)}")

    def mask(self, secret: str) -> None:
        """Each line by itself: the agent looks for lines."""
        for line in filter(None, secret.splitlines()):
            self._tell(f"##vso[task.setsecret]{_data(line)}")

    def open_group(self, title: str) -> None:
        """A fold of the log."""
        self._tell(f"##[group]{_data(title)}")

    def close_group(self) -> None:
        """The fold's end."""
        self._tell("##[endgroup]")

    def harmless(self, line: str) -> str:
        """The marks of commands with a space inside."""
        return _COMMAND.sub("# ", line)


def _data(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(";", "%3B").replace("]", "%5D")
