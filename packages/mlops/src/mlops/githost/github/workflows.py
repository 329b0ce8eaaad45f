"""GitHub's workflow files: the parts that list stages, and replays on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from mlops.core.documents import read_text
from mlops.githost.interface import CannedReply, RemoteAddress, Replay
from mlops.githost.stage_blocks import StageBlock, after_training, choice, for_each, in_order, stacks

if TYPE_CHECKING:
    from workflow_replay.effects import Effects
    from workflow_replay.events import Event
    from workflow_replay.host_environment import HostEnvironment
    from workflow_replay.result import Run

_DEPLOY: Final = """\
NAME:
  needs: NEEDS
  if: CONDITION
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/deploy-stage.yml
  with:
    stage: NAME
"""
_STACK: Final = """\
NAME:
  needs: NEEDS
  if: CONDITION
  permissions:
    contents: read
    id-token: write
  uses: ./.github/workflows/infra-stack.yml
  with:
    stack: NAME
"""
_DEPLOY_TRAINED: Final = """\
deploy:
  needs: register
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/deploy-stage.yml
  with:
    stage: NAME
    version: ${{ needs.register.outputs.version }}

"""
_PROPOSE_TRAINED: Final = """\
promote:
  needs: NEEDS
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/promote-stage.yml
  with:
    stage: NAME
"""


def _jobs(template: str, names: tuple[str, ...], first: str) -> str:
    flag = f"needs.{first}.outputs.NAME == 'true'"
    conditions = (flag, f"${{{{ !failure() && !cancelled() && {flag} }}}}")
    return in_order(template, names, first, conditions, "[{}]")


STAGE_BLOCKS: Final[Mapping[str, StageBlock]] = {
    "all stages": lambda order: f"options: [{', '.join(order)}]",
    "plan outputs": lambda order: for_each("NAME: ${{ steps.plan.outputs.NAME }}", order.names),
    "deploy jobs": lambda order: _jobs(_DEPLOY, order.names, "plan"),
    "stack outputs": lambda order: for_each("NAME: ${{ steps.changes.outputs.NAME }}", stacks(order)),
    "stack jobs": lambda order: _jobs(_STACK, stacks(order), "changes"),
    "stack matrix": lambda order: f"stack: [{', '.join(stacks(order))}]",
    "stage options": choice("options"),
    "stage input": lambda order: f"stage: ${{{{ inputs.stage || '{order.production}' }}}}",
    "stage variable": lambda order: f"STAGE: ${{{{ inputs.stage || '{order.production}' }}}}",
    "stage group": lambda order: f"group: monitor-${{{{ inputs.stage || '{order.production}' }}}}",
    "training runner": lambda order: (
        f"runs-on: ${{{{ vars.RUNNER_{order.training.upper()} || 'ubuntu-24.04' }}}}\nenvironment: {order.training}"
    ),
    "jobs after training": lambda order: after_training(
        order, _DEPLOY_TRAINED, _PROPOSE_TRAINED, ("register", "deploy")
    ),
}


_FOLDER: Final = PurePosixPath(".github/workflows")
# Which workflows each model has of its own, and the file of its project that one is for.
_OF_A_MODEL: Final = {
    "deploy": None,
    "deploy-stage": None,
    "gate": None,
    "monitor": "releases/monitor.yml",
    "promote": None,
    "promote-stage": None,
    "retrain": "releases/retraining.yml",
    "train": None,
}
_TEST_JOB: Final = re.compile(r"^  test:\n(?:    .*\n|\n)+", re.MULTILINE)
_CALLED: Final = re.compile(rf"(?<=\./\.github/workflows/)(?=(?:{'|'.join(_OF_A_MODEL)})\.yml)")
_PATHS: Final = re.compile(r"(?<=^    paths: )\[(?P<paths>[^\]]*)\]", re.MULTILINE)
_BLOCK_COMMENT: Final = re.compile(r"^ *# (?:begin|end) stages.*\n", re.MULTILINE)


def model_workflows(root: Path, model: PurePosixPath) -> dict[PurePosixPath, str]:
    """The workflows of a further model: as those at the top, for the project in its folder, and with names of its own.

    A change below the folder starts them, and no other change does.
    """
    found = {}
    for stem, needed in _OF_A_MODEL.items():
        file = root / _FOLDER / f"{stem}.yml"
        if file.is_file() and (needed is None or (root / model / needed).is_file()):
            text = read_text(file)
            found[_FOLDER / f"{model.name}-{stem}.yml"] = _of_model(text, f"{stem}.yml", model)
    file = root / _FOLDER / "ci.yml"
    if file.is_file() and (tests := _TEST_JOB.search(text := read_text(file))):
        head = text[: text.index("jobs:\n")].partition("\n")[2]
        found[_FOLDER / f"{model.name}-ci.yml"] = _tests_of_model(head, tests[0].rstrip("\n"), model)
    return found


def _tests_of_model(head: str, job: str, model: PurePosixPath) -> str:
    paths = f'    paths: ["{model}/**", "packages/**", "uv.lock"]\n'
    triggers = f"on:\n  pull_request:\n{paths}  push:\n    branches: [main]\n{paths}"
    head = re.sub(r"^on:\n(?:  .*\n)+", triggers, head, flags=re.MULTILINE)
    head = re.sub(r"^(name: | +group: )", rf"\g<1>{model.name}-", head, flags=re.MULTILINE)
    job = job.replace("run: uv run ", f"run: uv run --directory {model} ")
    return f"# Written by `mlops check --fix` from ci.yml: change that file.\n{head}jobs:\n{job}\n"


def _of_model(text: str, original: str, model: PurePosixPath) -> str:
    own = f"{model.name}-"
    text = _BLOCK_COMMENT.sub("", text)
    text = _CALLED.sub(own, text)
    text = _PATHS.sub(lambda found: f"[{_below(found['paths'], model)}]", text)
    text = re.sub(r"^(name: | +group: )", rf"\g<1>{own}", text, flags=re.MULTILINE)
    # The check that branch protection requires has a name of its own.
    text = re.sub(r"^  gate:$", f"  {own}gate:", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=types: \[)(?=data-changed\])", own, text)
    text = re.sub(r"^permissions: \{\}\n", f"\\g<0>\nenv:\n  MLOPS_PROJECT: {model}\n", text, flags=re.MULTILINE)
    return f"# Written by `mlops check --fix` from {original}: change that file.\n{text}"


def _below(paths: str, model: PurePosixPath) -> str:
    return re.sub(r'"([^"]+)"', rf'"{model}/\g<1>"', paths)


class GitHubReplay(Replay):
    """Replays of workflows, by workflow_replay.github."""

    program = "gh"
    login_folders = ("GH_CONFIG_DIR",)
    login_variables = ("GH_TOKEN", "GITHUB_TOKEN")
    login_step = "azure/login"

    def ssh_url(self, remote: RemoteAddress) -> str:
        """The short form, as GitHub shows it."""
        return f"git@{remote.server}:{remote.owner}/{remote.name}.git"

    def ci_name(self, remote: RemoteAddress) -> str:
        """The repository's name."""
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
        """The effects of actions."""
        from workflow_replay.github.builtin_actions import BUILTIN_ACTIONS

        return BUILTIN_ACTIONS

    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a workflow."""
        from workflow_replay import github

        return github.replay(repository, path, event, host)
