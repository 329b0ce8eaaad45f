"""The container registry for the images of the stage's environments."""

from __future__ import annotations

from pulumi_azure_native import containerregistry

from resources.base import BaseResources
from resources.context import Component
from settings.platform import CustomerManagedKey

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
            identity=_key_user(context.settings.customer_managed_key),
            encryption=_encryption(context.settings.customer_managed_key),
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


def _key_user(key: CustomerManagedKey | None) -> containerregistry.IdentityPropertiesArgs | None:
    if key is None:
        return None
    return containerregistry.IdentityPropertiesArgs(
        type=containerregistry.ResourceIdentityType.USER_ASSIGNED,
        user_assigned_identities={key.identity: containerregistry.UserIdentityPropertiesArgs()},
    )


def _encryption(key: CustomerManagedKey | None) -> containerregistry.EncryptionPropertyArgs | None:
    if key is None:
        return None
    return containerregistry.EncryptionPropertyArgs(
        status="enabled",
        key_vault_properties=containerregistry.KeyVaultPropertiesArgs(
            key_identifier=key.unversioned, identity=key.identity_client_id
        ),
    )
