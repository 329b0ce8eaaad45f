"""GitHub Actions in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops.githost.interface import CannedReply, RemoteAddress, Replay
from workflow_replay import github
from workflow_replay.effects import Effects
from workflow_replay.events import Event
from workflow_replay.github.builtin_actions import BUILTIN_ACTIONS
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run


class GitHubReplay(Replay):
    """Workflows, by workflow_replay.github."""

    program = "gh"
    login_folders = ("GH_CONFIG_DIR",)
    login_variables = ("GH_TOKEN", "GITHUB_TOKEN")
    login_step = "azure/login"

    def ssh_url(self, remote: RemoteAddress) -> str:
        """The short form, as GitHub shows it."""
        return f"git@{remote.server}:{remote.owner}/{remote.name}.git"

    def ci_name(self, remote: RemoteAddress) -> str:
        """Of the repository."""
        return remote.name

    def replies(self, remote: RemoteAddress) -> Sequence[CannedReply]:
        """`gh pr`, and git's use of `gh` as its credential helper."""
        return (
            CannedReply(("pr", "list"), "[]"),
            CannedReply(("pr", "create"), f"{remote.url}/pull/1"),
            CannedReply(("pr", "edit"), ""),
            CannedReply(("pr", "comment"), ""),
            CannedReply(("auth", "setup-git"), ""),
            CannedReply(("auth", "git-credential"), ""),
        )

    def builtin_effects(self) -> Effects:
        """Those of actions."""
        return BUILTIN_ACTIONS

    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a workflow."""
        return github.replay(repository, path, event, host)
