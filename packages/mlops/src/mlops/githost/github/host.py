"""GitHub, github.com or a server: its addresses, and which module here does which part of `GitHost`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.githost.github.job import GitHubActions
from mlops.githost.interface import Attested, CIJob, GitHost, PullRequests, RemoteAddress, Replay
from mlops.githost.remote_url import path_of, server_of

if TYPE_CHECKING:
    from mlops.githost.protection import Expectations, Finding, Section
    from mlops.githost.stage_blocks import StageBlock

_SERVER: Final = "github.com"


class GitHub(GitHost):
    """GitHub, asked by `gh`."""

    key = "github"
    name = "GitHub"
    training_command = "gh workflow run train.yml -f fresh=true"
    ci_files = (".github/**/*.yml",)

    def owns_server(self, server: str) -> bool:
        """github.com, a server whose name begins with github, or one of GitHub's own data residency."""
        return server == _SERVER or server.startswith("github.") or server.endswith(".ghe.com")

    def parse(self, url: str) -> RemoteAddress | None:
        """OWNER/NAME, by https or ssh."""
        parts, server = path_of(url), server_of(url)
        return self.address(server, *parts) if len(parts) == 2 else None

    def address(self, server: str, owner: str, name: str) -> RemoteAddress:
        """The address of a repository."""
        url = f"https://{server}/{owner}/{name}"
        return RemoteAddress(self, server, owner, "", name, url, url)

    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Every runner says so."""
        return environment.get("GITHUB_ACTIONS", "").lower() == "true"

    def job(self, environment: Mapping[str, str]) -> CIJob:
        """A job of GitHub Actions."""
        return GitHubActions(environment)

    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """By `gh pr`."""
        from mlops.githost.github.pull_requests import GitHubPullRequests

        return GitHubPullRequests(folder, remote)

    def expectations(self) -> type[Section]:
        """Branch rules, environments, and what Actions may do."""
        from mlops.githost.github.expectations import GitHubExpectations

        return GitHubExpectations

    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """By `gh api`."""
        from mlops.githost.github.expectations import GitHubExpectations
        from mlops.githost.github.protection import protection_findings
        from mlops.githost.github.settings import read_settings

        branch, wanted = expected.branch, expected.section(self.key, GitHubExpectations)
        return protection_findings(read_settings(folder, remote, branch, wanted), branch, wanted, remote)

    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:
        """By `gh attestation verify`."""
        from mlops.githost.github.attestation import attestation_problem

        return attestation_problem(remote, attested)

    def event_payload(self, event: Any) -> Any:
        """A repository_dispatch carries what was sent as `client_payload`."""
        return event["client_payload"] if isinstance(event, dict) and "client_payload" in event else event

    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """Those of stage_blocks.py."""
        from mlops.githost.github.stage_blocks import STAGE_BLOCKS

        return STAGE_BLOCKS

    def owns_workflow(self, path: str) -> bool:
        """Workflows and actions."""
        return path.startswith(".github/")

    def replay(self) -> Replay | None:
        """By workflow_replay.github."""
        from mlops.githost.github.replay import GitHubReplay

        return GitHubReplay(self.address(_SERVER, "octo-org", "octo-repo"))
