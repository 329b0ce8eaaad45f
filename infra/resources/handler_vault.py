"""The vault of what handles drift: one token for GitHub, which a person puts there (docs/infrastructure.md).

Not the stage's own vault: Logic Apps is none of the services that a vault's firewall lets through, and that vault is
closed for a reason.
"""

from __future__ import annotations

from pulumi_azure_native import keyvault

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring import Monitoring


class HandlerVault(Component):
    """The vault; reachable from outside, by identity only."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("handler-vault")
        posture = context.posture
        self.vault = keyvault.Vault(
            "handler-vault",
            vault_name=context.names.handler_vault,
            resource_group_name=group.name,
            location=context.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=context.settings.azure.tenant_id,
                sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=posture.key_vault_retention_days,
                enable_purge_protection=True if posture.purge_protection else None,
                public_network_access="Enabled",
                network_acls=keyvault.NetworkRuleSetArgs(default_action="Allow", bypass="None"),
            ),
            tags=context.tags,
            opts=context.lasting(self),
        )
        monitoring.watch("handler-vault", self.vault.id, self)
        self.address = f"https://{context.names.handler_vault}.vault.azure.net"
        self.register_outputs({"vault": self.vault.id})
