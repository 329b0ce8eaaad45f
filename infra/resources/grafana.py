"""A managed Grafana that shows the metrics store. The dashboard comes from the repository: docs/observability.md."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import dashboard

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.identities import Identities
from resources.metrics import Metrics
from resources.monitoring import Monitoring
from roles import Machine


class Grafana(Component):
    """People log in with Entra, nobody with a key. `ready` must name its identity's right to read the metrics."""

    def __init__(
        self,
        context: Context,
        group: ResourceGroup,
        identities: Identities,
        monitoring: Monitoring,
        metrics: Metrics,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("grafana")
        self.grafana = dashboard.Grafana(
            "grafana",
            workspace_name=context.names.grafana,
            resource_group_name=group.name,
            location=context.location,
            sku=dashboard.ResourceSkuArgs(name="Standard"),
            identity=dashboard.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[identities.of(Machine.GRAFANA)]
            ),
            properties=dashboard.ManagedGrafanaPropertiesArgs(
                api_key="Disabled",
                deterministic_outbound_ip="Disabled",
                public_network_access="Enabled",
                zone_redundancy="Disabled",
                grafana_integrations=dashboard.GrafanaIntegrationsArgs(
                    azure_monitor_workspace_integrations=[
                        dashboard.AzureMonitorWorkspaceIntegrationArgs(
                            azure_monitor_workspace_resource_id=metrics.store.id
                        )
                    ]
                ),
            ),
            tags=context.tags,
            opts=context.lasting(self, ready),
        )
        self.id = self.grafana.id
        monitoring.watch("grafana", self.id, self)
        self.register_outputs({"grafana": self.id})
