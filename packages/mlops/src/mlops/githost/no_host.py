"""Without a git host: a plain git remote, and a person's own shell instead of a CI job."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlops.core.results import SourceLocation
from mlops.githost.interface import WORKSTATION, Builder, CIJob, PullRequest, PullRequests

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


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
        return PullRequest(None, f"Review the branch, then: git merge --no-ff {branch} into {base}, and push.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:  # noqa: ARG002
        """A plain remote shows no pictures."""
        return None
