"""The key vault: what the workspace keeps secret. People and machines reach it by roles only."""

from __future__ import annotations

from pulumi_azure_native import authorization, keyvault

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring import Monitoring


class KeyVault(Component):
    """The vault of a stage."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("key-vault")
        posture = context.posture
        self.vault = keyvault.Vault(
            "vault",
            vault_name=context.names.short("kv"),
            resource_group_name=group.name,
            location=context.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=context.settings.azure.tenant_id,
                sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=posture.key_vault_retention_days,
                # Azure refuses the value false: a vault without purge protection does not mention it.
                enable_purge_protection=True if posture.purge_protection else None,
                public_network_access=posture.public_network_access,
                network_acls=keyvault.NetworkRuleSetArgs(
                    default_action=posture.network_default_action, bypass="AzureServices"
                ),
            ),
            tags=context.tags,
            opts=context.lasting(self),
        )
        if posture.protect:
            authorization.ManagementLockByScope(
                "vault-lock",
                lock_name="keep-the-secrets",
                scope=self.vault.id,
                level="CanNotDelete",
                notes="Secrets of prod. Remove the lock by a reviewed change.",
                opts=context.passing(self),
            )
        monitoring.watch("vault", self.vault.id, self)
        self.register_outputs({"vault": self.vault.id})
