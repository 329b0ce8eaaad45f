"""Key vaults: the workspace's, and how any vault is declared. Access is by role."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import keyvault

from resources.base import BaseResources
from resources.context import Component


class KeyVault(Component):
    """The vault of a stage's workspace."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("key-vault")
        context = base.context
        profile = context.profile
        self.vault = create_vault(
            "vault",
            base,
            context.names.short("kv"),
            self,
            public_network_access=profile.public_network_access,
            network_acls=keyvault.NetworkRuleSetArgs(
                default_action=profile.network_default_action, bypass="AzureServices"
            ),
        )
        self.register_outputs({"vault": self.vault.id})


def create_vault(
    name: str,
    base: BaseResources,
    vault_name: str,
    parent: pulumi.Resource,
    *,
    public_network_access: str,
    network_acls: keyvault.NetworkRuleSetArgs,
) -> keyvault.Vault:
    """Declare a vault that is reached by role, whose deleted secrets can be recovered, and which logs its use."""
    context, profile = base.context, base.context.profile
    vault = keyvault.Vault(
        name,
        vault_name=vault_name,
        resource_group_name=base.group.name,
        location=context.location,
        properties=keyvault.VaultPropertiesArgs(
            tenant_id=context.settings.azure.tenant_id,
            sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD),
            enable_rbac_authorization=True,
            enable_soft_delete=True,
            soft_delete_retention_in_days=profile.key_vault_retention_days,
            # Azure refuses the value false: a vault without purge protection leaves the key out.
            enable_purge_protection=True if profile.purge_protection else None,
            public_network_access=public_network_access,
            network_acls=network_acls,
        ),
        tags=context.tags,
        opts=context.kept_options("keyvault:Vault", parent),
    )
    base.monitoring.send_diagnostics(name, vault.id, parent)
    return vault
