"""What every component of a stage needs: settings, names, tags, posture, and options made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from naming import Names
from posture import Posture, posture_of
from settings.stage import StageSettings


@dataclass(frozen=True)
class Context:
    """The frame of one stage."""

    settings: StageSettings
    names: Names
    posture: Posture

    @staticmethod
    def of(settings: StageSettings) -> Context:
        """The frame that a stage's settings make."""
        names = Names(settings.project, settings.stage, settings.azure.subscription_id)
        return Context(settings, names, posture_of(settings))

    @property
    def location(self) -> str:
        """The stage's region."""
        return self.settings.azure.location

    @property
    def tags(self) -> dict[str, str]:
        """What every resource that takes tags carries."""
        return tags_of(self.settings.project, self.settings.stage)

    def lasting(self, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Options of a resource that holds something: in prod it is protected against deletion."""
        return pulumi.ResourceOptions(parent=parent, protect=self.posture.protect, depends_on=list(depends_on))

    def passing(self, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Options of a resource that holds nothing and must be revocable by review: rights, rules, settings.

        Their names are fixed, so that the old one goes before the new one comes.
        """
        return pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on), delete_before_replace=True)


def tags_of(project: str, part: str) -> dict[str, str]:
    """The tags of one stack."""
    return {"project": project, "stage": part, "made-by": "pulumi"}


class Component(pulumi.ComponentResource):
    """A part of a stack: a parent of resources, named after what it is."""

    def __init__(self, name: str, parent: pulumi.Resource | None = None) -> None:
        super().__init__(f"infra:parts:{type(self).__name__}", name, None, pulumi.ResourceOptions(parent=parent))
