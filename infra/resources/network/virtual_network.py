"""The virtual network of a private stage and its subnets with security groups; or the subnets of an existing one."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import network

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring.logs import Monitoring
from resources.network.dns_zones import central_zones, own_zones
from resources.network.outbound import Outbound, outbound_access, peer_with_hub
from resources.network.subnets import DELEGATIONS, SecurityRule, Subnet, address_ranges, security_rules, subnets_of
from settings.platform import ExistingNetwork

WITHOUT_OUTBOUND = (Subnet.ENDPOINTS,)


class VirtualNetwork(Component):
    """The network that a private stage is in. Other resources take subnet ids and DNS zone ids."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("network")
        self._context = context
        self._group = group
        settings = context.settings.network
        if settings.existing is not None:
            self._id: pulumi.Input[str] = settings.existing.virtual_network
            self._subnets: Mapping[Subnet, pulumi.Input[str]] = existing_subnets(settings.existing)
        else:
            own = self._network()
            monitoring.send_diagnostics("network", own.id, self)
            peer_with_hub(own, context, group, self)
            self._id = own.id
            self._subnets = self._create_subnets(own, outbound_access(context, group, self))
        self._zones = self._zones_by_name()
        self.register_outputs({"network": self._id})

    def subnet_id(self, subnet: Subnet) -> pulumi.Input[str]:
        """The resource id of a subnet."""
        return self._subnets[subnet]

    def zone_id(self, name: str) -> pulumi.Input[str] | None:
        """The resource id of a private DNS zone; None where an Azure Policy adds the records."""
        return self._zones.get(name)

    def _zones_by_name(self) -> Mapping[str, pulumi.Input[str]]:
        match self._context.settings.network.dns_zones:
            case "by_policy":
                return {}
            case "created":
                return own_zones(self._id, self._context, self._group, self)
            case central:
                return central_zones(central)

    def _network(self) -> network.VirtualNetwork:
        context = self._context
        return network.VirtualNetwork(
            "virtual-network",
            virtual_network_name=context.names.of("vnet"),
            resource_group_name=self._group.name,
            location=context.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[address_space_of(context)]),
            tags=context.tags,
            opts=context.kept_options("network:VirtualNetwork", self),
        )

    def _create_subnets(self, own: network.VirtualNetwork, outbound: Outbound) -> Mapping[Subnet, pulumi.Input[str]]:
        ranges = address_ranges(address_space_of(self._context))
        created: dict[Subnet, network.Subnet] = {}
        for subnet in subnets_of(self._context.settings.network):
            access = Outbound() if subnet in WITHOUT_OUTBOUND else outbound
            # Azure changes one subnet of a network at a time: each waits for the previous one.
            created[subnet] = self._subnet(own, subnet, ranges[subnet], access, list(created.values())[-1:])
        return {subnet: resource.id for subnet, resource in created.items()}

    def _subnet(
        self,
        own: network.VirtualNetwork,
        subnet: Subnet,
        address_range: str,
        outbound: Outbound,
        depends_on: list[network.Subnet],
    ) -> network.Subnet:
        service = self._delegation(subnet)
        return network.Subnet(
            f"subnet-{subnet}",
            subnet_name=f"snet-{subnet}",
            virtual_network_name=own.name,
            resource_group_name=self._group.name,
            address_prefix=address_range,
            default_outbound_access=False,
            nat_gateway=outbound.nat_gateway,
            route_table=outbound.route_table,
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


def existing_subnets(existing: ExistingNetwork) -> dict[Subnet, pulumi.Input[str]]:
    """The resource ids of the subnets that the settings name."""
    named = existing.subnets.model_dump(exclude_none=True)
    return {Subnet(name): f"{existing.virtual_network}/subnets/{subnet}" for name, subnet in named.items()}


def address_space_of(context: Context) -> str:
    """The range of the stage's own network. Raises ValueError where there is none."""
    found = context.settings.network.address_space
    if found is None:
        raise ValueError("network.address_space is missing: a virtual network needs it")
    return found


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
