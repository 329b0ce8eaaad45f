"""The parts of Azure Pipelines' files that list stages, as they follow from project.yml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlops.githost.stage_blocks import StageBlock, after_training, choice, in_order, stacks
from mlops.settings.stages import StageOrder

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
