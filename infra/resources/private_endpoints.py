"""Private endpoints: the addresses inside the network under which a private stage's services are reached."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.network import Network
from resources.subnets import Subnet


@dataclass(frozen=True)
class Target:
    """One service to reach: its part (Azure's group id) and the DNS zones its names live in."""

    name: str
    resource_id: pulumi.Input[str]
    part: str
    zones: tuple[str, ...]


class PrivateEndpoints(Component):
    """Private endpoints with their DNS; `ready` is what those wait for who must resolve the names."""

    def __init__(
        self, name: str, context: Context, group: ResourceGroup, inside: Network, targets: list[Target]
    ) -> None:
        super().__init__(name)
        self._context = context
        self._group = group
        self._network = inside
        self.ready: list[pulumi.Resource] = [self._endpoint(target) for target in targets]
        self.register_outputs({})

    def _endpoint(self, target: Target) -> network.PrivateDnsZoneGroup:
        context = self._context
        endpoint = network.PrivateEndpoint(
            f"endpoint-{target.name}",
            private_endpoint_name=context.names.of("pep", target.name),
            resource_group_name=self._group.name,
            location=context.location,
            subnet=network.SubnetArgs(id=self._network.subnet_id(Subnet.ENDPOINTS)),
            custom_network_interface_name=context.names.of("nic", target.name),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=target.name, private_link_service_id=target.resource_id, group_ids=[target.part]
                )
            ],
            tags=context.tags,
            opts=context.lasting(self),
        )
        return network.PrivateDnsZoneGroup(
            f"names-{target.name}",
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=self._group.name,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(name=zone, private_dns_zone_id=self._network.zone_id(zone))
                for zone in target.zones
            ],
            opts=context.lasting(self),
        )
