"""The network of a private stage: subnets with their security groups, a way out, and names that resolve inside."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import network, privatedns

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring import Monitoring
from resources.subnets import DELEGATIONS, Subnet, Traffic, address_ranges, subnets_of, traffic_of

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
WITHOUT_WAY_OUT = (Subnet.ENDPOINTS,)


class Network(Component):
    """The virtual network. Others take subnet ids and DNS zone ids."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("network")
        self._context = context
        self._group = group
        address_space = context.settings.network.address_space
        if address_space is None:
            raise ValueError("a network was asked for without network.address_space")
        self.network = network.VirtualNetwork(
            "virtual-network",
            virtual_network_name=context.names.of("vnet"),
            resource_group_name=group.name,
            location=context.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[address_space]),
            tags=context.tags,
            opts=context.lasting(self),
        )
        monitoring.watch("network", self.network.id, self)
        self._gateway = self._way_out()
        self._subnets = self._make_subnets(address_ranges(address_space))
        self._zones = {name: self._zone(name) for name in ZONES}
        self.register_outputs({"network": self.network.id})

    def subnet_id(self, subnet: Subnet) -> pulumi.Output[str]:
        """The resource id of a subnet."""
        return self._subnets[subnet].id

    def zone_id(self, name: str) -> pulumi.Output[str]:
        """The resource id of a private DNS zone."""
        return self._zones[name].id

    def _way_out(self) -> network.NatGateway:
        context = self._context
        address = network.PublicIPAddress(
            "outbound-address",
            public_ip_address_name=context.names.of("pip", "outbound"),
            resource_group_name=self._group.name,
            location=context.location,
            sku=network.PublicIPAddressSkuArgs(name="Standard"),
            public_ip_allocation_method="Static",
            tags=context.tags,
            opts=context.lasting(self),
        )
        return network.NatGateway(
            "outbound-gateway",
            nat_gateway_name=context.names.of("ng"),
            resource_group_name=self._group.name,
            location=context.location,
            sku=network.NatGatewaySkuArgs(name="Standard"),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            tags=context.tags,
            opts=context.lasting(self),
        )

    def _make_subnets(self, ranges: dict[Subnet, str]) -> dict[Subnet, network.Subnet]:
        made: dict[Subnet, network.Subnet] = {}
        for subnet in subnets_of(self._context.settings.network):
            # Azure changes one subnet of a network at a time: each waits for the one before.
            made[subnet] = self._subnet(subnet, ranges[subnet], list(made.values())[-1:])
        return made

    def _subnet(self, subnet: Subnet, address_range: str, before: list[network.Subnet]) -> network.Subnet:
        service = self._delegation(subnet)
        way_out = None if subnet in WITHOUT_WAY_OUT else network.SubResourceArgs(id=self._gateway.id)
        return network.Subnet(
            f"subnet-{subnet}",
            subnet_name=f"snet-{subnet}",
            virtual_network_name=self.network.name,
            resource_group_name=self._group.name,
            address_prefix=address_range,
            default_outbound_access=False,
            nat_gateway=way_out,
            network_security_group=network.NetworkSecurityGroupArgs(id=self._security(subnet).id),
            # Without this the security group does not apply to private endpoints.
            private_endpoint_network_policies="Enabled",
            delegations=[network.DelegationArgs(name=subnet, service_name=service)] if service else [],
            opts=self._context.lasting(self, before),
        )

    def _delegation(self, subnet: Subnet) -> str | None:
        return DELEGATIONS.get(self._context.settings.network.agents) if subnet is Subnet.AGENTS else None

    def _security(self, subnet: Subnet) -> network.NetworkSecurityGroup:
        context = self._context
        rules = traffic_of(subnet, context.settings.network, context.location)
        return network.NetworkSecurityGroup(
            f"security-{subnet}",
            network_security_group_name=context.names.of("nsg", subnet),
            resource_group_name=self._group.name,
            location=context.location,
            security_rules=[_rule(traffic) for traffic in rules],
            tags=context.tags,
            opts=context.lasting(self),
        )

    def _zone(self, name: str) -> privatedns.PrivateZone:
        context = self._context
        zone = privatedns.PrivateZone(
            f"zone-{name}",
            private_zone_name=ZONES[name],
            resource_group_name=self._group.name,
            location="global",
            tags=context.tags,
            opts=context.lasting(self),
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
            opts=context.lasting(self),
        )
        return zone


def _rule(traffic: Traffic) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name=traffic.name,
        priority=traffic.priority,
        direction="Inbound" if traffic.inbound else "Outbound",
        access="Allow" if traffic.allow else "Deny",
        protocol=traffic.protocol,
        source_address_prefix=traffic.source,
        source_port_range="*",
        destination_address_prefix=traffic.destination,
        destination_port_range=traffic.port,
    )
