"""The container registry that keeps the images of the stage's environments."""

from __future__ import annotations

from pulumi_azure_native import containerregistry

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring import Monitoring

UNTAGGED_DAYS = 30
PREMIUM = "Premium"


class ContainerRegistry(Component):
    """The registry of images. It has no administrator's password and answers nobody without an identity."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("container-registry")
        posture = context.posture
        premium = posture.container_registry_sku == PREMIUM
        self.registry = containerregistry.Registry(
            "images",
            registry_name=context.names.short("cr"),
            resource_group_name=group.name,
            location=context.location,
            sku=containerregistry.SkuArgs(name=posture.container_registry_sku),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=posture.public_network_access,
            zone_redundancy=posture.zone_redundancy,
            network_rule_bypass_options="AzureServices",
            data_endpoint_enabled=premium,
            # Only Premium takes policies.
            policies=_policies() if premium else None,
            tags=context.tags,
            opts=context.lasting(self),
        )
        monitoring.watch("images", self.registry.id, self)
        self.register_outputs({"registry": self.registry.id})


def _policies() -> containerregistry.PoliciesArgs:
    return containerregistry.PoliciesArgs(
        export_policy=containerregistry.ExportPolicyArgs(status="disabled"),
        retention_policy=containerregistry.RetentionPolicyArgs(status="enabled", days=UNTAGGED_DAYS),
    )
