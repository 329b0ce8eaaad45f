"""The resource group of a stage."""

from __future__ import annotations

from pulumi_azure_native import resources

from resources.context import Component, Context


class ResourceGroup(Component):
    """The resource group. Other resources take its `name`."""

    def __init__(self, context: Context) -> None:
        super().__init__("group")
        self.group = resources.ResourceGroup(
            "resource-group",
            resource_group_name=context.names.resource_group,
            location=context.location,
            tags=context.tags,
            opts=context.kept_options("resources:ResourceGroup", self),
        )
        self.name = self.group.name
        self.id = self.group.id
        self.register_outputs({"name": self.name})
