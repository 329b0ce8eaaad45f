"""A managed Grafana for the metrics store. The dashboard is imported from the repository: docs/observability.md."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import dashboard

from resources.base import BaseResources
from resources.context import Component
from resources.kubernetes.metrics import Metrics
from roles import Identity


class Grafana(Component):
    """Login is by Entra, API keys are off. `depends_on` must name its identity's right to read the metrics."""

    def __init__(self, base: BaseResources, metrics: Metrics, depends_on: Sequence[pulumi.Resource]) -> None:
        super().__init__("grafana")
        context = base.context
        self.grafana = dashboard.Grafana(
            "grafana",
            workspace_name=context.names.grafana,
            resource_group_name=base.group.name,
            location=context.location,
            sku=dashboard.ResourceSkuArgs(name="Standard"),
            identity=dashboard.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[base.identities.resource_id(Identity.GRAFANA)]
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
            opts=context.protected_options(self, depends_on),
        )
        self.id = self.grafana.id
        base.monitoring.send_diagnostics("grafana", self.id, self)
        self.register_outputs({"grafana": self.id})
