"""What the parts of CI files that list stages have in common; how each is written is said in the host's own folder.

A block follows from the list of stages in project.yml; `mlops check --fix` writes it (stages/edits.py). Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mlops.settings.stages import StageOrder

StageBlock = Callable[[StageOrder], str]

_SHARED: Final = "shared"


def for_each(template: str, names: tuple[str, ...], separator: str = "\n") -> str:
    """A template once per name, which takes the place of NAME."""
    return separator.join(template.replace("NAME", name) for name in names)


def stacks(order: StageOrder) -> tuple[str, ...]:
    """The stacks of the infrastructure: what the stages share, and one per stage."""
    return (_SHARED, *order)


def promoted(order: StageOrder) -> tuple[str, ...]:
    """The stages that take models from another one, production first; the only one where there is one."""
    return tuple(reversed(order.names[1:])) or order.names


def in_order(template: str, names: tuple[str, ...], first: str, conditions: tuple[str, str], brackets: str) -> str:
    """A job for each name, which needs `first` and every job before it; one that is skipped lets the next go on."""
    jobs = []
    for at, name in enumerate(names):
        needs = ", ".join((first, *names[:at]))
        job = template.replace("NEEDS", brackets.format(needs) if at else needs)
        jobs.append(job.replace("CONDITION", conditions[min(at, 1)]).replace("NAME", name))
    return "\n".join(jobs)


def after_training(order: StageOrder, deploy: str, propose: str, needs: tuple[str, str]) -> str:
    """The model is deployed where it was trained, unless that is production, and proposed for the next stage."""
    if len(order) == 1:
        return propose.replace("NEEDS", needs[0]).replace("NAME", order.production)
    following = order.next_after(order.training) or order.training
    return deploy.replace("NAME", order.training) + propose.replace("NEEDS", needs[1]).replace("NAME", following)


def choice(key: str) -> StageBlock:
    """An input that takes one of the stages that can be proposed for, under the key that lists its values."""
    return lambda order: f"{key}: [{', '.join(promoted(order))}]\ndefault: {order.production}"
