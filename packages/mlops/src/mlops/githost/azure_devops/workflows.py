"""The files of Azure Pipelines: the parts that list stages, and replays on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.githost.interface import CannedReply, RemoteAddress, Replay
from mlops.githost.stage_blocks import StageBlock, after_training, choice, in_order, stacks
from mlops.settings.stages import StageOrder

if TYPE_CHECKING:
    from workflow_replay.effects import Effects
    from workflow_replay.events import Event
    from workflow_replay.host_environment import HostEnvironment
    from workflow_replay.result import Run

_DEPLOY: Final = """\
- template: templates/deploy-stage.yml
  parameters:
    stage: NAME
    dependsOn: [NEEDS]
    condition: CONDITION
"""
_STACK: Final = """\
- template: templates/infra-stack.yml
  parameters:
    stack: NAME
    dependsOn: [NEEDS]
"""
_DEPLOY_TRAINED: Final = """\
- template: templates/deploy-stage.yml
  parameters:
    stage: NAME
    dependsOn: [train]
    version: $[ stageDependencies.train.register.outputs['register.version'] ]

"""
_PROPOSE_TRAINED: Final = """\
- template: templates/promote-stage.yml
  parameters:
    stage: NAME
    dependsOn: [NEEDS]
"""


def _stages(order: StageOrder) -> str:
    flag = "eq(dependencies.plan.outputs['plan.plan.NAME'], 'true')"
    conditions = (f"and(succeeded(), {flag})", f"and(not(failed()), not(canceled()), {flag})")
    return in_order(_DEPLOY, order.names, "plan", conditions, "{}")


def _stacks(order: StageOrder) -> str:
    return in_order(_STACK, stacks(order), "changes", ("", ""), "{}").replace("\n\n", "\n")


STAGE_BLOCKS: Final[Mapping[str, StageBlock]] = {
    "deploy stages": _stages,
    "stack stages": _stacks,
    "stack loop": lambda order: f"- ${{{{ each stack in split('{','.join(stacks(order))}', ',') }}}}:",
    "stage values": choice("values"),
    "training connection": lambda order: f"connection: {order.training}",
    "stages after training": lambda order: after_training(
        order, _DEPLOY_TRAINED, _PROPOSE_TRAINED, ("train", order.training)
    ),
}


class AzureReplay(Replay):
    """Replays of pipelines, by workflow_replay.azure."""

    program = "az"
    login_variables = ("AZURE_DEVOPS_EXT_PAT",)
    login_step = "AzureCLI"

    def ssh_url(self, remote: RemoteAddress) -> str:
        """The third and current version of the address."""
        return f"git@ssh.{remote.server}:v3/{remote.owner}/{remote.project}/{remote.name}"

    def ci_name(self, remote: RemoteAddress) -> str:
        """The project's name."""
        return remote.project

    def replies(self, remote: RemoteAddress) -> Sequence[CannedReply]:
        """`az repos pr`, and comments, for which it has no command."""
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
        """The effects of tasks."""
        from workflow_replay.azure.builtin_tasks import BUILTIN_TASKS

        return BUILTIN_TASKS

    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a pipeline."""
        from workflow_replay import azure

        return azure.replay(repository, path, event, host)
