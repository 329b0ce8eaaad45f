"""The parts of GitHub's workflows that list stages, as they follow from project.yml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlops.githost.stage_blocks import StageBlock, after_training, choice, for_each, in_order, stacks

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
