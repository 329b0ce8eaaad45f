"""Locks against deletion: production's data and secrets, and every stage's models. Declared last in a stack.

Azure's lock also keeps what lies under it from being deleted: role assignments, diagnostic settings, containers. So a
lock waits for all of that, which makes it the first to go when the stack is destroyed; and `locked: false` in the
settings removes it for an update that revokes a right (docs/infrastructure-bad-days.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumi_azure_native import authorization

from resources.context import Component


class Locked(NamedTuple):
    """A resource to lock: the lock's name, and what is lost with the resource."""

    resource_id: pulumi.Input[str]
    lock: str
    holds: str


class Locks(Component):
    """The locks of a stack. `depends_on` must name everything under the locked resources."""

    def __init__(self, locked: dict[str, Locked], depends_on: Sequence[pulumi.Resource]) -> None:
        super().__init__("locks")
        for name, (resource_id, lock, holds) in locked.items():
            authorization.ManagementLockByScope(
                f"{name}-lock",
                lock_name=lock,
                scope=resource_id,
                level="CanNotDelete",
                notes=f"{holds}. Remove the lock by a reviewed change: `infra:locked: false`.",
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), delete_before_replace=True),
            )
        self.register_outputs({})
