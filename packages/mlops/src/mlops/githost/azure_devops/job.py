"""A job of Azure Pipelines: logging commands, and its login to Azure. A summary is a file that a command names."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mlops.core.markdown import cut_to_bytes
from mlops.core.results import SourceLocation
from mlops.githost.interface import Builder, CIJob

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_MACRO: Final = "$("
_FOLDER_VARIABLE: Final = "AGENT_TEMPDIRECTORY"
# The agent obeys `##vso[…]` and `##[…]` anywhere in a line.
_COMMAND: Final = re.compile(r"#(?=#(?:vso)?\[)", re.IGNORECASE)


# What the AzureCLI task sets from its service connection, and the token that a step must be given.
_LOGIN: Final = (
    "SYSTEM_OIDCREQUESTURI",
    "AZURESUBSCRIPTION_TENANT_ID",
    "AZURESUBSCRIPTION_CLIENT_ID",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "SYSTEM_ACCESSTOKEN",
)


class AzurePipelines(CIJob):
    """A job of Azure Pipelines, read from its agent's variables."""

    name = "Azure Pipelines"
    summary_limit = 1024 * 1024
    _root_variable = "BUILD_SOURCESDIRECTORY"

    def set_output(self, name: str, value: str) -> None:
        """Set an output variable of the step, which other jobs and stages refer to by the step's name.

        A macro in it is broken up: the agent would expand it, and could leak a token.
        """
        plain = value.replace(_MACRO, f"{_MACRO[0]} {_MACRO[1]}")
        self._command(f"##vso[task.setvariable variable={_property(name)};isOutput=true]{_data(plain)}")

    def add_summary(self, markdown: str) -> None:
        """Write a file that the agent uploads when the step ends: it must outlive this process."""
        folder = self._environment.get(_FOLDER_VARIABLE) or None
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix="mlops-", suffix=".md", delete=False, encoding="utf-8"
        ) as file:
            file.write(cut_to_bytes(markdown, self.summary_limit))
        self._command(f"##vso[task.uploadsummary]{_data(str(Path(file.name)))}")

    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """An error of the run, with its file and line."""
        where = f";sourcepath={_property(self.path_of(location))};linenumber={location.line}" if location else ""
        self._command(f"##vso[task.logissue type=error{where}]{_data(message)}")

    def mask(self, secret: str) -> None:
        """Mask each line separately: the agent matches lines."""
        for line in filter(None, secret.splitlines()):
            self._command(f"##vso[task.setsecret]{_data(line)}")

    def open_group(self, title: str) -> None:
        """Begin a group of the log."""
        self._command(f"##[group]{_data(title)}")

    def close_group(self) -> None:
        """End the group."""
        self._command("##[endgroup]")

    def escape(self, line: str) -> str:
        """Break command markers with a space."""
        return _COMMAND.sub("# ", line)

    @property
    def actor(self) -> str:
        """Who the run was requested for: the e-mail address, or the name of an account without one."""
        found = self._environment.get("BUILD_REQUESTEDFOREMAIL") or self._environment.get("BUILD_REQUESTEDFOR")
        return found or ""

    @property
    def pull_request_url(self) -> str:
        """Of a run that a branch policy started."""
        number = self._environment.get("SYSTEM_PULLREQUEST_PULLREQUESTID", "")
        return f"{quote(self.builder().source, safe=':/')}/pullrequest/{number}" if number else ""

    def builder(self) -> Builder:
        """The pipeline's definition and branch."""
        server, project = (self._environment.get(name, "") for name in ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT"))
        definition = self._environment.get("SYSTEM_DEFINITIONID", "")
        branch = self._environment.get("BUILD_SOURCEBRANCH", "")
        run = f"{server}{project}/_build/results?buildId={self._environment.get('BUILD_BUILDID', '')}"
        source = f"{server}{project}/_git/{self._environment.get('BUILD_REPOSITORY_NAME', '')}"
        return Builder(f"{server}{project}/_build?definitionId={definition}@{branch}", run, source)

    def credential(self) -> TokenCredential | None:
        """The service connection's federated identity; the library requests a new token from the pipeline each time."""
        if not all(self._environment.get(name) for name in _LOGIN):
            return None
        from azure.identity import AzurePipelinesCredential

        _, tenant, client, connection, token = (self._environment[name] for name in _LOGIN)
        return AzurePipelinesCredential(
            tenant_id=tenant, client_id=client, service_connection_id=connection, system_access_token=token
        )


def _data(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(";", "%3B").replace("]", "%5D")
