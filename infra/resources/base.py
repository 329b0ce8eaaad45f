"""The resources that every other resource of a stage builds on: group, identities, rights, logs, network."""

from __future__ import annotations

from dataclasses import dataclass

from resources.context import Context
from resources.group import ResourceGroup
from resources.identity.access import Access
from resources.identity.identities import Identities
from resources.monitoring.logs import Monitoring
from resources.network.virtual_network import VirtualNetwork
from settings.stage import StageSettings


@dataclass(frozen=True)
class BaseResources:
    """Handed to every component that is created after them; `network` is None in a public stage."""

    context: Context
    group: ResourceGroup
    identities: Identities
    access: Access
    monitoring: Monitoring
    network: VirtualNetwork | None

    @staticmethod
    def create(settings: StageSettings) -> BaseResources:
        """Declare them for a stage."""
        context = Context.of(settings)
        group = ResourceGroup(context)
        identities = Identities(context, group)
        monitoring = Monitoring(context, group)
        network = VirtualNetwork(context, group, monitoring) if settings.private else None
        return BaseResources(context, group, identities, Access(context, identities), monitoring, network)
