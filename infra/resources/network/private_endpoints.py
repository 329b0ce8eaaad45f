"""Private endpoints: the addresses inside the network at which a private stage's services are reached."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from resources.base import BaseResources
from resources.context import Component
from resources.network.subnets import Subnet
from resources.network.virtual_network import VirtualNetwork


@dataclass(frozen=True)
class Target:
    """One service to reach: Azure's group id of it, and the DNS zones (keys of ZONES) of its names."""

    name: str
    resource_id: pulumi.Input[str]
    group_id: str
    zones: tuple[str, ...]


def private_endpoints(name: str, base: BaseResources, targets: list[Target]) -> PrivateEndpoints | None:
    """Declare private endpoints; a public stage needs none."""
    return None if base.network is None else PrivateEndpoints(name, base, base.network, targets)


class PrivateEndpoints(Component):
    """Private endpoints by target, with their DNS groups: what resources that resolve their names must wait for."""

    def __init__(self, name: str, base: BaseResources, virtual_network: VirtualNetwork, targets: list[Target]) -> None:
        super().__init__(name)
        self._base = base
        self._virtual_network = virtual_network
        self.ids: dict[str, pulumi.Output[str]] = {}
        self.reachable = [self._endpoint(target) for target in targets]
        self.register_outputs({})

    def _endpoint(self, target: Target) -> pulumi.Resource:
        """The endpoint; returns its names, or where an Azure Policy adds them, the endpoint itself."""
        context, group = self._base.context, self._base.group
        endpoint = network.PrivateEndpoint(
            f"endpoint-{target.name}",
            private_endpoint_name=context.names.of("pep", target.name),
            resource_group_name=group.name,
            location=context.location,
            subnet=network.SubnetArgs(id=self._virtual_network.subnet_id(Subnet.ENDPOINTS)),
            custom_network_interface_name=context.names.of("nic", target.name),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=target.name, private_link_service_id=target.resource_id, group_ids=[target.group_id]
                )
            ],
            tags=context.tags,
            opts=context.protected_options(self),
        )
        self.ids[target.name] = endpoint.id
        zones = {zone: self._virtual_network.zone_id(zone) for zone in target.zones}
        if None in zones.values():
            return endpoint
        return network.PrivateDnsZoneGroup(
            f"names-{target.name}",
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=group.name,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(name=zone, private_dns_zone_id=zone_id)
                for zone, zone_id in zones.items()
            ],
            opts=context.protected_options(self),
        )
