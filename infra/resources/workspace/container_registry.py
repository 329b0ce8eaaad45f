"""The container registry for the images of environments: a stage's own, or one that the stages share."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import containerregistry

from naming import Names
from resources.base import BaseResources
from resources.context import Component
from settings.platform import CustomerManagedKey
from settings.shared import SharedSettings

UNTAGGED_DAYS = 30
PREMIUM = "Premium"
NO_EXPORT = containerregistry.ExportPolicyArgs(status="disabled")


class ContainerRegistry(Component):
    """The registry of images. It has no admin user, and no pull is anonymous."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("container-registry")
        context, profile = base.context, base.context.profile
        premium = profile.container_registry_sku == PREMIUM
        self.registry = containerregistry.Registry(
            "images",
            registry_name=context.names.container_registry,
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


class SharedContainerRegistry(Component):
    """The registry from which every stage takes the images that the first one built, with a copy per region.

    Azure ML names an image by a hash of its environment's definition, whichever workspace asks for it. Premium, because
    private endpoints reach it from the closed stages; protected, and not locked: rights on it stay revocable.
    """

    def __init__(self, settings: SharedSettings, names: Names, group: pulumi.Input[str], tags: dict[str, str]) -> None:
        super().__init__("shared-images")
        protected = pulumi.ResourceOptions(parent=self, protect=True)
        self.registry = containerregistry.Registry(
            "images",
            registry_name=names.container_registry,
            resource_group_name=group,
            location=settings.azure.location,
            sku=containerregistry.SkuArgs(name=PREMIUM),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access="Enabled" if settings.public_access else "Disabled",
            zone_redundancy="Enabled",
            network_rule_bypass_options="AzureServices",
            data_endpoint_enabled=True,
            # Untagged images stay: a rollback may need one. Exports can be forbidden only without public access.
            policies=None if settings.public_access else containerregistry.PoliciesArgs(export_policy=NO_EXPORT),
            tags=tags,
            opts=protected,
        )
        for region in (each for each in settings.regions if each != settings.azure.location):
            containerregistry.Replication(
                f"images-{region}",
                replication_name=region,
                registry_name=self.registry.name,
                resource_group_name=group,
                location=region,
                zone_redundancy="Enabled",
                tags=tags,
                opts=protected,
            )
        self.register_outputs({"registry": self.registry.id})


def _policies() -> containerregistry.PoliciesArgs:
    return containerregistry.PoliciesArgs(
        export_policy=NO_EXPORT,
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
