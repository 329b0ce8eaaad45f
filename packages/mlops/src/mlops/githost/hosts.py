"""The known git hosts; which of them a remote belongs to, and which one's CI runs this process."""

from __future__ import annotations

import getpass
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mlops.core.git import REMOTE, Repository
from mlops.githost.azure_devops.host import AzureDevOps
from mlops.githost.github.host import GitHub
from mlops.githost.interface import Builder, CIJob, GitHost, PullRequests, RemoteAddress, server_of
from mlops.githost.no_host import PlainRemote, Workstation

# Azure DevOps comes last: its workflow files may have any name.
HOSTS: Final[tuple[GitHost, ...]] = (GitHub(), AzureDevOps())
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
