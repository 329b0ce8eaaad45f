"""The private DNS zones of a private stage: its own, or central ones."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import privatedns

from resources.context import Component, Context
from resources.group import ResourceGroup

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


def central_zones(group_id: str) -> dict[str, pulumi.Input[str]]:
    """The resource ids of zones that another team keeps in a resource group, and links with networks."""
    return {name: f"{group_id}/providers/Microsoft.Network/privateDnsZones/{zone}" for name, zone in ZONES.items()}


def own_zones(
    network_id: pulumi.Input[str], context: Context, group: ResourceGroup, parent: Component
) -> dict[str, pulumi.Input[str]]:
    """Declare every zone and its link with a network; returns their resource ids."""
    return {name: _zone(name, network_id, context, group, parent).id for name in ZONES}


def _zone(
    name: str, network_id: pulumi.Input[str], context: Context, group: ResourceGroup, parent: Component
) -> privatedns.PrivateZone:
    zone = privatedns.PrivateZone(
        f"zone-{name}",
        private_zone_name=ZONES[name],
        resource_group_name=group.name,
        location="global",
        tags=context.tags,
        opts=context.protected_options(parent),
    )
    privatedns.VirtualNetworkLink(
        f"zone-link-{name}",
        virtual_network_link_name=context.names.of("link"),
        private_zone_name=zone.name,
        resource_group_name=group.name,
        location="global",
        registration_enabled=False,
        virtual_network=privatedns.SubResourceArgs(id=network_id),
        tags=context.tags,
        opts=context.protected_options(parent),
    )
    return zone
