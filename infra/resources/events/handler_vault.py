"""The vault of the drift handler: one token for GitHub, which a person puts there (docs/infrastructure.md).

Not the workspace's vault: its firewall trusts no Logic Apps, and stays closed for a reason.
"""

from __future__ import annotations

from pulumi_azure_native import keyvault

from resources.base import BaseResources
from resources.context import Component
from resources.workspace.key_vault import create_vault


class HandlerVault(Component):
    """The vault; its network is open, access is by identity only."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("handler-vault")
        name = base.context.names.handler_vault
        self.vault = create_vault(
            "handler-vault",
            base,
            name,
            self,
            public_network_access="Enabled",
            network_acls=keyvault.NetworkRuleSetArgs(default_action="Allow", bypass="None"),
        )
        self.address = f"https://{name}.vault.azure.net"
        self.register_outputs({"vault": self.vault.id})
