"""Where there is no git host: a plain git remote, and a person's own shell instead of a CI job."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlops.core.results import SourceLocation
from mlops.githost.interface import WORKSTATION, Builder, CIJob, PullRequest, PullRequests

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class Workstation(CIJob):
    """A person's own shell: what is printed is all there is."""

    name = ""
    summary_limit = 0

    def set_output(self, name: str, value: str) -> None:
        """No step follows."""

    def add_summary(self, markdown: str) -> None:
        """There is no page."""

    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """The error is printed anyway."""

    def mask(self, secret: str) -> None:
        """There is no log."""

    def open_group(self, title: str) -> None:
        """A shell collapses nothing."""

    def close_group(self) -> None:
        """A shell collapses nothing."""

    def escape(self, line: str) -> str:
        """A shell reads no commands from what is printed."""
        return line

    @property
    def actor(self) -> str:
        """No variable of a shell is to be trusted with it."""
        return ""

    def builder(self) -> Builder:
        """Anybody's own machine."""
        return Builder(WORKSTATION)

    def credential(self) -> TokenCredential | None:
        """A shell has no login of its own."""
        return None


class PlainRemote(PullRequests):
    """A git remote without pull requests, such as a bare repository."""

    body_limit = 65_536

    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:  # noqa: ARG002
        """Nothing to open: say what to do with the branch."""
        return PullRequest(None, f"Review the branch, then: git merge --no-ff {branch} into {base}, and push.")

    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:  # noqa: ARG002
        """A plain remote shows no pictures."""
        return None
