"""A job of GitHub Actions: files for outputs and summaries, workflow commands for the rest, its login to Azure.

Values in commands are escaped as the runner's own toolkit does; a file's delimiter is random, so that no value
can end its block and begin another output.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.core.errors import WorkspaceError
from mlops.core.markdown import cut_to_bytes
from mlops.core.results import SourceLocation
from mlops.githost.interface import Builder, CIJob

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_OUTPUT_FILE: Final = "GITHUB_OUTPUT"
_SUMMARY_FILE: Final = "GITHUB_STEP_SUMMARY"
_DELIMITER_BYTES: Final = 16
_TITLE: Final = "mlops"
_PULL_REQUEST: Final = re.compile(r"refs/pull/(\d+)/\w+")
# The runner obeys `::command::` at the start of a line, and the older `##[command]` anywhere in it.
_COMMAND: Final = re.compile(r"^(\s*):(?=:)|#(?=#\[)")


_AUDIENCE: Final = "api://AzureADTokenExchange"
_TIMEOUT_SECONDS: Final = 30.0
_TOKEN_URL: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"  # noqa: S105 - the name of a variable
_REQUEST_TOKEN: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable
_LOGIN: Final = (_TOKEN_URL, _REQUEST_TOKEN, "AZURE_TENANT_ID", "AZURE_CLIENT_ID")


class GitHubActions(CIJob):
    """A job of GitHub Actions, read from its runner's variables."""

    name = "GitHub Actions"
    summary_limit = 1024 * 1024
    _root_variable = "GITHUB_WORKSPACE"

    def set_output(self, name: str, value: str) -> None:
        """Append a block to the output file."""
        delimiter = f"mlops_{secrets.token_hex(_DELIMITER_BYTES)}"
        self._append(_OUTPUT_FILE, f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def add_summary(self, markdown: str) -> None:
        """Append to the step's summary, up to its size limit."""
        file = self._file(_SUMMARY_FILE)
        used = file.stat().st_size if file and file.is_file() else 0
        self._append(_SUMMARY_FILE, cut_to_bytes(f"{markdown.rstrip()}\n\n", max(0, self.summary_limit - used)))

    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """An error at a line of the changed files."""
        where = {"file": self.path_of(location), "line": str(location.line)} if location else {}
        properties = ",".join(f"{key}={_property(value)}" for key, value in {**where, "title": _TITLE}.items())
        self._command(f"::error {properties}::{_data(message)}")

    def mask(self, secret: str) -> None:
        """Mask each line separately: the runner matches lines."""
        for line in filter(None, secret.splitlines()):
            self._command(f"::add-mask::{_data(line)}")

    def open_group(self, title: str) -> None:
        """Begin a group of the log."""
        self._command(f"::group::{_data(title)}")

    def close_group(self) -> None:
        """End the group."""
        self._command("::endgroup::")

    def escape(self, line: str) -> str:
        """Break command markers with a space."""
        return _COMMAND.sub(lambda mark: f"{mark[0]} ", line)

    @property
    def actor(self) -> str:
        """Who triggered the run."""
        return self._environment.get("GITHUB_ACTOR", "")

    @property
    def pull_request_url(self) -> str:
        """Of a run that a pull request started: its merge commit has the number in its name."""
        found = _PULL_REQUEST.fullmatch(self._environment.get("GITHUB_REF", ""))
        server, repository = (self._environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
        return f"{server}/{repository}/pull/{found[1]}" if found else ""

    def builder(self) -> Builder:
        """The workflow that was triggered: a reusable one has no name of its own in GitHub's variables."""
        server = self._environment.get("GITHUB_SERVER_URL", "")
        source = f"{server}/{self._environment.get('GITHUB_REPOSITORY', '')}"
        attempt = self._environment.get("GITHUB_RUN_ATTEMPT", "1")
        run = f"{source}/actions/runs/{self._environment.get('GITHUB_RUN_ID', '')}/attempts/{attempt}"
        return Builder(f"{server}/{self._environment.get('GITHUB_WORKFLOW_REF', '')}", run, source)

    def credential(self) -> TokenCredential | None:
        """A federated identity: a new token is requested each time, since a token is valid for minutes."""
        if not all(self._environment.get(name) for name in _LOGIN):
            return None
        from azure.identity import ClientAssertionCredential

        *_, tenant, client = (self._environment[name] for name in _LOGIN)
        return ClientAssertionCredential(tenant, client, lambda: request_id_token(self._environment))

    def _append(self, variable: str, text: str) -> None:
        file = self._file(variable)
        if file is not None:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(text)

    def _file(self, variable: str) -> Path | None:
        name = self._environment.get(variable)
        return Path(name) if name else None


def request_id_token(environment: Mapping[str, str]) -> str:
    """A GitHub token that states the repository and environment of this job.

    Raises WorkspaceError if GitHub does not issue one.
    """
    import requests

    address = f"{environment[_TOKEN_URL]}&audience={_AUDIENCE}"
    header = {"Authorization": f"Bearer {environment[_REQUEST_TOKEN]}"}
    advice = "Give the job `permissions: id-token: write`, then run it again."
    try:
        response = requests.get(address, headers=header, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        return str(response.json()["value"])
    except (requests.exceptions.RequestException, ValueError, KeyError) as error:
        raise WorkspaceError(f"GitHub issues no token for this job: {type(error).__name__}", advice) from error


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
