"""The container registry for the images of the stage's environments."""

from __future__ import annotations

from pulumi_azure_native import containerregistry

from resources.base import BaseResources
from resources.context import Component

UNTAGGED_DAYS = 30
PREMIUM = "Premium"


class ContainerRegistry(Component):
    """The registry of images. It has no admin user, and no pull is anonymous."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("container-registry")
        context, profile = base.context, base.context.profile
        premium = profile.container_registry_sku == PREMIUM
        self.registry = containerregistry.Registry(
            "images",
            registry_name=context.names.short("cr"),
            resource_group_name=base.group.name,
            location=context.location,
            sku=containerregistry.SkuArgs(name=profile.container_registry_sku),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=profile.public_network_access,
            zone_redundancy=profile.zone_redundancy,
            network_rule_bypass_options="AzureServices",
            data_endpoint_enabled=premium,
            # Only Premium has policies.
            policies=_policies() if premium else None,
            tags=context.tags,
            opts=context.protected_options(self),
        )
        base.monitoring.send_diagnostics("images", self.registry.id, self)
        self.register_outputs({"registry": self.registry.id})


def _policies() -> containerregistry.PoliciesArgs:
    return containerregistry.PoliciesArgs(
        export_policy=containerregistry.ExportPolicyArgs(status="disabled"),
        retention_policy=containerregistry.RetentionPolicyArgs(status="enabled", days=UNTAGGED_DAYS),
    )
