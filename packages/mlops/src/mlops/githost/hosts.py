"""The known git hosts; which of them a remote belongs to, and whose CI runs this process."""

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
# Masking shorter values would hide every second word of a log.
_MIN_SECRET_LENGTH: Final = 4


def host_of(url: str) -> GitHost | None:
    """The host that the address of a git remote belongs to, by its server; None for a plain git remote."""
    server = server_of(url)
    return next((host for host in HOSTS if host.owns_server(server)), None)


def parse_remote(url: str) -> RemoteAddress | None:
    """The repository that the address of a git remote names; None for a plain remote, or a form of no host."""
    host = host_of(url)
    return host.parse(url) if host else None


def remote_of(root: Path) -> RemoteAddress | None:
    """The repository that a project's remote names; None without one, or when no git host has it."""
    url = Repository(root).remote_url(REMOTE)
    return parse_remote(url) if url else None


def pull_requests_of(url: str, folder: Path) -> PullRequests:
    """The pull requests of a remote, by its address, for the clone in a folder."""
    host = host_of(url)
    return host.pull_requests(folder, host.parse(url)) if host else PlainRemote(folder, None)


def current_job(environment: Mapping[str, str] = os.environ) -> CIJob:
    """The CI job that runs this process; a person's own shell counts as one that shows nothing."""
    for host in HOSTS:
        if host.is_running(environment):
            return host.job(environment)
    return Workstation(environment)


def current_actor() -> str:
    """Who acts: the person that the CI job names, else who is logged in to this machine."""
    return current_job().actor or getpass.getuser()


def current_builder(environment: Mapping[str, str] = os.environ) -> Builder:
    """The builder that runs this process."""
    return current_job(environment).builder()


def event_payload(event: Any) -> Any:
    """What was sent with an event, whichever host delivered it."""
    for host in HOSTS:
        event = host.event_payload(event)
    return event


def mask(secret: str) -> None:
    """Hide a secret that was just received in the log of the CI job."""
    if len(secret) >= _MIN_SECRET_LENGTH:
        current_job().mask(secret)


@contextmanager
def group(title: str) -> Generator[None]:
    """Lines of the log that can be collapsed."""
    job = current_job()
    job.open_group(title)
    try:
        yield
    finally:
        job.close_group()
