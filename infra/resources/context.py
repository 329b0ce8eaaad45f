"""What every component of a stage needs: settings, names, tags, profile, and resource options made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from naming import SHARED, Names
from resources.create_only import replaced
from settings.platform import Naming
from settings.stage import StageSettings
from stage_profile import StageProfile, profile_of

Outputs = dict[str, pulumi.Input[object]]


@dataclass(frozen=True)
class Context:
    """The settings of one stage, and what follows from them."""

    settings: StageSettings
    names: Names
    profile: StageProfile

    @staticmethod
    def of(settings: StageSettings) -> Context:
        """The context of a stage's settings."""
        names = names_of(settings.project, settings.stage, settings.azure.subscription_id, settings.naming)
        return Context(settings, names, profile_of(settings))

    @property
    def location(self) -> str:
        """The stage's region."""
        return self.settings.azure.location

    @property
    def shared_names(self) -> Names:
        """The names of the shared stack."""
        naming = self.settings.stack_namings.get(SHARED, Naming())
        return names_of(self.settings.project, SHARED, self.settings.registry.subscription_id, naming)

    @property
    def model_registry_id(self) -> str:
        """The resource id of the registry that the stages share."""
        return self.shared_names.model_registry_id

    @property
    def shared_images_id(self) -> str | None:
        """The resource id of the registry of images that the stages share; None where the stage has its own."""
        return self.shared_names.container_registry_id if self.settings.images == "shared" else None

    @property
    def workspace_before_id(self) -> str | None:
        """The resource id of the workspace of the stage before; None in the first stage."""
        before = self.settings.project_stages.before(self.settings.stage)
        subscription = self.settings.subscription_before
        if before is None or subscription is None:
            return None
        naming = self.settings.stack_namings.get(before, Naming())
        return names_of(self.settings.project, before, subscription, naming).workspace_id

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that takes tags."""
        return tags_of(self.settings.project, self.settings.stage, self.settings.tags)

    def protected_options(
        self, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of a resource that holds state: in production it is protected against deletion."""
        return pulumi.ResourceOptions(parent=parent, protect=self.profile.protect, depends_on=list(depends_on))

    def kept_options(
        self, type_: str, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of what holds data, or what that data is in: no changed setting replaces it, in any stage."""
        kept = pulumi.ResourceOptions(parent=parent, protect=True, depends_on=list(depends_on))
        return pulumi.ResourceOptions.merge(kept, replaced(type_))

    def autoscaled_options(
        self, type_: str, parent: pulumi.Resource, count: str, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of protected nodes whose number, at the path `count`, Azure changes: it counts at creation only."""
        autoscaled = pulumi.ResourceOptions.merge(replaced(type_), pulumi.ResourceOptions(ignore_changes=[count]))
        return pulumi.ResourceOptions.merge(self.protected_options(parent, depends_on), autoscaled)

    def replaceable_options(
        self, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of a resource that holds no state and must be revocable by review: rights, rules, settings.

        Their names are fixed, so the old one is deleted before the new one is created.
        """
        return pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on), delete_before_replace=True)


def names_of(project: str, stack: str, subscription_id: str, naming: Naming) -> Names:
    """The names of one stack, with what its settings add to them."""
    return Names(project, stack, subscription_id, naming.prefix, naming.generation)


def tags_of(project: str, stack: str, own: Mapping[str, str]) -> dict[str, str]:
    """The tags of one stack: those of its settings, and the program's."""
    return {**own, "project": project, "stage": stack, "made-by": "pulumi"}


class Component(pulumi.ComponentResource):
    """A part of a stack: the parent of the resources that belong together."""

    def __init__(self, name: str, parent: pulumi.Resource | None = None) -> None:
        super().__init__(f"infra:parts:{type(self).__name__}", name, None, pulumi.ResourceOptions(parent=parent))
