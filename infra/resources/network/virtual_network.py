"""The virtual network of a private stage: subnets with security groups, outbound access, private DNS zones."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import network, privatedns

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring.logs import Monitoring
from resources.network.subnets import DELEGATIONS, SecurityRule, Subnet, address_ranges, security_rules, subnets_of

ZONES = {
    "workspace": "privatelink.api.azureml.ms",
    "notebooks": "privatelink.notebooks.azure.net",
    "blob": "privatelink.blob.core.windows.net",
    "file": "privatelink.file.core.windows.net",
    "queue": "privatelink.queue.core.windows.net",
    "table": "privatelink.table.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "images": "privatelink.azurecr.io",
    "events": "privatelink.eventgrid.azure.net",
}
WITHOUT_OUTBOUND = (Subnet.ENDPOINTS,)


class VirtualNetwork(Component):
    """The virtual network. Other resources take subnet ids and DNS zone ids."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("network")
        self._context = context
        self._group = group
        address_space = context.settings.network.address_space
        if address_space is None:
            raise ValueError("network.address_space is missing: a virtual network needs it")
        self.network = network.VirtualNetwork(
            "virtual-network",
            virtual_network_name=context.names.of("vnet"),
            resource_group_name=group.name,
            location=context.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[address_space]),
            tags=context.tags,
            opts=context.protected_options(self),
        )
        monitoring.send_diagnostics("network", self.network.id, self)
        self._gateway = self._outbound_gateway()
        self._subnets = self._create_subnets(address_ranges(address_space))
        self._zones = {name: self._zone(name) for name in ZONES}
        self.register_outputs({"network": self.network.id})

    def subnet_id(self, subnet: Subnet) -> pulumi.Output[str]:
        """The resource id of a subnet."""
        return self._subnets[subnet].id

    def zone_id(self, name: str) -> pulumi.Output[str]:
        """The resource id of a private DNS zone."""
        return self._zones[name].id

    def _outbound_gateway(self) -> network.NatGateway:
        context = self._context
        address = network.PublicIPAddress(
            "outbound-address",
            public_ip_address_name=context.names.of("pip", "outbound"),
            resource_group_name=self._group.name,
            location=context.location,
            sku=network.PublicIPAddressSkuArgs(name="Standard"),
            public_ip_allocation_method="Static",
            tags=context.tags,
            opts=context.protected_options(self),
        )
        return network.NatGateway(
            "outbound-gateway",
            nat_gateway_name=context.names.of("ng"),
            resource_group_name=self._group.name,
            location=context.location,
            sku=network.NatGatewaySkuArgs(name="Standard"),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            tags=context.tags,
            opts=context.protected_options(self),
        )

    def _create_subnets(self, ranges: dict[Subnet, str]) -> dict[Subnet, network.Subnet]:
        created: dict[Subnet, network.Subnet] = {}
        for subnet in subnets_of(self._context.settings.network):
            # Azure changes one subnet of a network at a time: each waits for the previous one.
            created[subnet] = self._subnet(subnet, ranges[subnet], list(created.values())[-1:])
        return created

    def _subnet(self, subnet: Subnet, address_range: str, depends_on: list[network.Subnet]) -> network.Subnet:
        service = self._delegation(subnet)
        gateway = None if subnet in WITHOUT_OUTBOUND else network.SubResourceArgs(id=self._gateway.id)
        return network.Subnet(
            f"subnet-{subnet}",
            subnet_name=f"snet-{subnet}",
            virtual_network_name=self.network.name,
            resource_group_name=self._group.name,
            address_prefix=address_range,
            default_outbound_access=False,
            nat_gateway=gateway,
            network_security_group=network.NetworkSecurityGroupArgs(id=self._security_group(subnet).id),
            # Without this the security group does not apply to private endpoints.
            private_endpoint_network_policies="Enabled",
            delegations=[network.DelegationArgs(name=subnet, service_name=service)] if service else [],
            opts=self._context.protected_options(self, depends_on),
        )

    def _delegation(self, subnet: Subnet) -> str | None:
        return DELEGATIONS.get(self._context.settings.network.agents) if subnet is Subnet.AGENTS else None

    def _security_group(self, subnet: Subnet) -> network.NetworkSecurityGroup:
        context = self._context
        rules = security_rules(subnet, context.settings.network, context.location)
        return network.NetworkSecurityGroup(
            f"security-{subnet}",
            network_security_group_name=context.names.of("nsg", subnet),
            resource_group_name=self._group.name,
            location=context.location,
            security_rules=[_rule_args(rule) for rule in rules],
            tags=context.tags,
            opts=context.protected_options(self),
        )

    def _zone(self, name: str) -> privatedns.PrivateZone:
        context = self._context
        zone = privatedns.PrivateZone(
            f"zone-{name}",
            private_zone_name=ZONES[name],
            resource_group_name=self._group.name,
            location="global",
            tags=context.tags,
            opts=context.protected_options(self),
        )
        privatedns.VirtualNetworkLink(
            f"zone-link-{name}",
            virtual_network_link_name=context.names.of("link"),
            private_zone_name=zone.name,
            resource_group_name=self._group.name,
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=self.network.id),
            tags=context.tags,
            opts=context.protected_options(self),
        )
        return zone


def _rule_args(rule: SecurityRule) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name=rule.name,
        priority=rule.priority,
        direction="Inbound" if rule.inbound else "Outbound",
        access="Allow" if rule.allow else "Deny",
        protocol=rule.protocol,
        source_address_prefix=rule.source,
        source_port_range="*",
        destination_address_prefix=rule.destination,
        destination_port_range=rule.port,
    )
