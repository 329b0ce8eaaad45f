"""How a private stage's network reaches what is outside: a NAT gateway, or a firewall; and the peering with a hub."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_azure_native import network

from resources.context import Component, Context
from resources.group import ResourceGroup


@dataclass(frozen=True)
class Outbound:
    """What a subnet with access to the outside is associated with: one of the two."""

    nat_gateway: network.SubResourceArgs | None = None
    route_table: network.RouteTableArgs | None = None


def outbound_access(context: Context, group: ResourceGroup, parent: Component) -> Outbound:
    """Declare the firewall's route where the settings name a firewall, a NAT gateway otherwise."""
    firewall = context.settings.network.firewall
    if firewall is None:
        return Outbound(nat_gateway=network.SubResourceArgs(id=_nat_gateway(context, group, parent).id))
    return Outbound(route_table=network.RouteTableArgs(id=_route(firewall, context, group, parent).id))


def peer_with_hub(own: network.VirtualNetwork, context: Context, group: ResourceGroup, parent: Component) -> None:
    """Declare this side of the peering; the hub's team adds the other."""
    hub = context.settings.network.hub
    if hub is None:
        return
    network.VirtualNetworkPeering(
        "hub-peering",
        name="to-the-hub",
        virtual_network_peering_name="to-the-hub",
        virtual_network_name=own.name,
        resource_group_name=group.name,
        remote_virtual_network=network.SubResourceArgs(id=hub.virtual_network),
        allow_virtual_network_access=True,
        # What the hub's firewall or gateway passes on comes from other networks.
        allow_forwarded_traffic=True,
        allow_gateway_transit=False,
        use_remote_gateways=hub.use_gateway,
        opts=context.protected_options(parent),
    )


def _route(firewall: str, context: Context, group: ResourceGroup, parent: Component) -> network.RouteTable:
    return network.RouteTable(
        "outbound-route",
        route_table_name=context.names.of("rt"),
        resource_group_name=group.name,
        location=context.location,
        # Routes that a gateway announces would lead around the firewall.
        disable_bgp_route_propagation=True,
        routes=[
            network.RouteArgs(
                name="through-the-firewall",
                address_prefix="0.0.0.0/0",
                next_hop_type="VirtualAppliance",
                next_hop_ip_address=firewall,
            )
        ],
        tags=context.tags,
        opts=context.protected_options(parent),
    )


def _nat_gateway(context: Context, group: ResourceGroup, parent: Component) -> network.NatGateway:
    address = network.PublicIPAddress(
        "outbound-address",
        public_ip_address_name=context.names.of("pip", "outbound"),
        resource_group_name=group.name,
        location=context.location,
        sku=network.PublicIPAddressSkuArgs(name="Standard"),
        public_ip_allocation_method="Static",
        tags=context.tags,
        opts=context.protected_options(parent),
    )
    return network.NatGateway(
        "outbound-gateway",
        nat_gateway_name=context.names.of("ng"),
        resource_group_name=group.name,
        location=context.location,
        sku=network.NatGatewaySkuArgs(name="Standard"),
        public_ip_addresses=[network.SubResourceArgs(id=address.id)],
        tags=context.tags,
        opts=context.protected_options(parent),
    )
