"""The files of Azure Pipelines: the parts that list stages, and replays on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from mlops.core.documents import read_text
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


_FOLDER: Final = PurePosixPath(".azuredevops")
_TOP: Final = "azure-pipelines.yml"
# Which pipelines each model has of its own, and the file of its project that one is for.
_OF_A_MODEL: Final = {
    "deploy": None,
    "monitor": "releases/monitor.yml",
    "promote": None,
    "retrain": "releases/retraining.yml",
    "train": None,
}
_GATE_STAGE: Final = re.compile(r"^  - stage: gate\n(?:    .*\n|\n)+", re.MULTILINE)
_TEST_JOB: Final = re.compile(r"^      - job: test\n(?:        .*\n|\n)+", re.MULTILINE)
_PATHS: Final = re.compile(r"(?<=^    include: \[)(?P<paths>[^\]]*)(?=\])", re.MULTILINE)
_TRIGGERED: Final = re.compile(r"^  paths:\n    include: .*\n", re.MULTILINE)
_BLOCK_COMMENT: Final = re.compile(r"^ *# (?:begin|end) stages.*\n", re.MULTILINE)


def model_pipelines(root: Path, model: PurePosixPath) -> dict[PurePosixPath, str]:
    """The pipelines of a further model: as those of the first one, for the project in its folder.

    A change below the folder starts them, and no other change does. Templates are shared.
    """
    found = {}
    for stem, needed in _OF_A_MODEL.items():
        file = root / _FOLDER / f"{stem}.yml"
        if file.is_file() and (needed is None or (root / model / needed).is_file()):
            found[_FOLDER / f"{model.name}-{stem}.yml"] = _of_model(read_text(file), f"{stem}.yml", model)
    top = root / _TOP
    if top.is_file():
        text = read_text(top)
        head = text[: text.index("stages:\n")].partition("name: ")[2].partition("\n")[2]
        if gate := _GATE_STAGE.search(text):
            found[_FOLDER / f"{model.name}-gate.yml"] = _judging(head, gate[0], "gate", model)
        if tests := _TEST_JOB.search(text):
            job = tests[0].replace("script: uv run ", f"script: uv run --directory {model} ")
            stage = f"  - stage: test\n    dependsOn: []\n    jobs:\n{job}"
            found[_FOLDER / f"{model.name}-ci.yml"] = _judging(head, stage, "ci", model)
    return found


def _of_model(text: str, original: str, model: PurePosixPath) -> str:
    text = _BLOCK_COMMENT.sub("", text)
    text = _TRIGGERED.sub(lambda trigger: _PATHS.sub(lambda found: _below(found["paths"], model), trigger[0]), text)
    text = re.sub(r"^name: ", f"name: {model.name}-", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^pool:\n", f"variables:\n  MLOPS_PROJECT: {model}\n\npool:\n", text, count=1, flags=re.MULTILINE)
    return f"# Written by `mlops check --fix` from {original}: change that file.\n{text}"


def _judging(head: str, stage: str, name: str, model: PurePosixPath) -> str:
    """A pipeline of one stage of azure-pipelines.yml, which pull requests run by a build validation policy."""
    stage = stage.rstrip("\n").replace("template: .azuredevops/", "template: ")
    return _of_model(f"name: {name}-$(Rev:r)\n{head}stages:\n{stage}\n", f"../{_TOP}", model)


def _below(paths: str, model: PurePosixPath) -> str:
    return ", ".join(f"{model}/{path.strip()}" for path in paths.split(","))


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
