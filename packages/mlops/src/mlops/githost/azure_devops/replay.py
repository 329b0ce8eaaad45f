"""Azure Pipelines in a replay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlops.githost.interface import CannedReply, RemoteAddress, Replay
from workflow_replay import azure
from workflow_replay.azure.builtin_tasks import BUILTIN_TASKS
from workflow_replay.effects import Effects
from workflow_replay.events import Event
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run


class AzureReplay(Replay):
    """Pipelines, by workflow_replay.azure."""

    program = "az"
    login_variables = ("AZURE_DEVOPS_EXT_PAT",)
    login_step = "AzureCLI"

    def ssh_url(self, remote: RemoteAddress) -> str:
        """The third version of the address, the present one."""
        return f"git@ssh.{remote.server}:v3/{remote.owner}/{remote.project}/{remote.name}"

    def ci_name(self, remote: RemoteAddress) -> str:
        """Of the project."""
        return remote.project

    def replies(self, remote: RemoteAddress) -> Sequence[CannedReply]:
        """`az repos pr`, and the comments that it has no command for."""
        project = {"id": remote.project, "name": remote.project}
        repository = {"id": remote.name, "name": remote.name, "webUrl": remote.url, "project": project}
        pull_request = json.dumps({"pullRequestId": 1, "repository": repository})
        return (
            CannedReply(("repos", "pr", "list"), "[]"),
            CannedReply(("repos", "pr", "create"), pull_request),
            CannedReply(("repos", "pr", "update"), pull_request),
            CannedReply(("devops", "invoke"), "{}", containing="POST"),
        )

    def builtin_effects(self) -> Effects:
        """Those of tasks."""
        return BUILTIN_TASKS

    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a pipeline."""
        return azure.replay(repository, path, event, host)
