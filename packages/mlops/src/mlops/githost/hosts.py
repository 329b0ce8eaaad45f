"""The known git hosts; which of them a remote belongs to, and which one's CI runs this process.

Without one there is a plain git remote, and a person's own shell instead of a CI job.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from mlops.core.git import REMOTE, Repository
from mlops.core.results import SourceLocation
from mlops.githost.azure_devops.host import AzureDevOps
from mlops.githost.github.host import GitHub
from mlops.githost.interface import (
    WORKSTATION,
    Builder,
    CIJob,
    GitHost,
    PullRequest,
    PullRequests,
    RemoteAddress,
    server_of,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# Azure DevOps comes last: its workflow files may have any name.
HOSTS: Final[tuple[GitHost, ...]] = (GitHub(), AzureDevOps())
# Where their CI files are, from the top of a repository.
WORKFLOW_PLACES: Final = tuple(PurePosixPath(pattern).parts[0] for host in HOSTS for pattern in host.ci_files)
# Masking shorter values would make a log unreadable.
_MIN_SECRET_LENGTH: Final = 4


def host_of(url: str) -> GitHost | None:
    """The host that a git remote's address belongs to, by its server; None for a plain git remote."""
    server = server_of(url)
    return next((host for host in HOSTS if host.owns_server(server)), None)


def parse_remote(url: str) -> RemoteAddress | None:
    """The repository that a git remote's address names; None for a plain remote, or an unknown form."""
    host = host_of(url)
    return host.parse(url) if host else None


def remote_of(root: Path) -> RemoteAddress | None:
    """The repository that a project's remote names; None without a remote, or if it is on no known host."""
    url = Repository(root).remote_url(REMOTE)
    return parse_remote(url) if url else None


def pull_requests_of(url: str, folder: Path) -> PullRequests:
    """The pull requests of a remote, for the clone in a folder."""
    host = host_of(url)
    return host.pull_requests(folder, host.parse(url)) if host else PlainRemote(folder, None)


def model_workflows(root: Path, model: PurePosixPath) -> dict[PurePosixPath, str]:
    """The CI files of a further model below `root`, of every host, by path."""
    return {path: text for host in HOSTS for path, text in host.model_workflows(root, model).items()}


def current_job(environment: Mapping[str, str] = os.environ) -> CIJob:
    """The CI job that runs this process; a person's own shell is a job that shows nothing."""
    for host in HOSTS:
        if host.is_running(environment):
            return host.job(environment)
    return Workstation(environment)


def current_actor() -> str:
    """The actor: the person that the CI job names, else the user logged in to this machine."""
    return current_job().actor or getpass.getuser()


def current_builder(environment: Mapping[str, str] = os.environ) -> Builder:
    """The builder that runs this process."""
    return current_job(environment).builder()


def event_payload(event: Any) -> Any:
    """The payload of an event, whichever host delivered it."""
    for host in HOSTS:
        event = host.event_payload(event)
    return event


def mask(secret: str) -> None:
    """Hide a secret in the log of the CI job."""
    if len(secret) >= _MIN_SECRET_LENGTH:
        current_job().mask(secret)


@contextmanager
def group(title: str) -> Generator[None]:
    """Group lines of the log so that they can be collapsed."""
    job = current_job()
    job.open_group(title)
    try:
        yield
    finally:
        job.close_group()


class Workstation(CIJob):
    """A person's own shell: everything is printed anyway."""

    name = ""
    summary_limit = 0

    def set_output(self, name: str, value: str) -> None:
        """There are no later steps."""

    def add_summary(self, markdown: str) -> None:
        """There is no page of a run."""

    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """The error is printed anyway."""

    def mask(self, secret: str) -> None:
        """There is no log to mask."""

    def open_group(self, title: str) -> None:
        """A shell has no groups."""

    def close_group(self) -> None:
        """A shell has no groups."""

    def escape(self, line: str) -> str:
        """A shell obeys no commands in output."""
        return line

    @property
    def actor(self) -> str:
        """A shell's variables cannot be trusted with this."""
        return ""

    @property
    def pull_request_url(self) -> str:
        """A shell checks no pull request."""
        return ""

    def builder(self) -> Builder:
        """A person's own machine."""
        return Builder(WORKSTATION)

    def credential(self) -> TokenCredential | None:
        """A shell has no login of its own."""
        return None


class PlainRemote(PullRequests):
    """A git remote without pull requests, such as a bare repository."""

    body_limit = 65_536

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:  # noqa: ARG002
        """There is nothing to open: say what to do with the branch."""
        folder = os.path.relpath(self._folder)
        where = "" if folder == os.curdir else f" in {folder}"
        return PullRequest(None, f"Review the branch{where}, then: git merge --no-ff {branch} into {base}, and push.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:  # noqa: ARG002
        """A plain remote shows no pictures."""
        return None
