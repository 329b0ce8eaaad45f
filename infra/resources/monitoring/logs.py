"""Where logs, metrics and telemetry go: Log Analytics, Application Insights, and the diagnostic settings."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import applicationinsights, monitor, operationalinsights

from resources.context import Component, Context
from resources.group import ResourceGroup

RETENTION_DAYS = 30  # included in the price of ingestion


class Monitoring(Component):
    """The Log Analytics workspace, unless an existing one is used, and the Application Insights of a stage."""

    def __init__(self, context: Context, group: ResourceGroup) -> None:
        super().__init__("monitoring")
        self._context = context
        existing = context.settings.logs.workspace
        self.logs_id: pulumi.Input[str] = existing if existing is not None else self._logs(group).id
        self.insights = applicationinsights.Component(
            "application-insights",
            resource_name_=context.names.of("appi"),
            resource_group_name=group.name,
            location=context.location,
            kind="web",
            application_type="web",
            ingestion_mode="LogAnalytics",
            workspace_resource_id=self.logs_id,
            disable_local_auth=True,
            retention_in_days=RETENTION_DAYS,
            tags=context.tags,
            opts=context.protected_options(self),
        )
        self.register_outputs({"logs": self.logs_id})

    def _logs(self, group: ResourceGroup) -> operationalinsights.Workspace:
        context = self._context
        return operationalinsights.Workspace(
            "log-analytics",
            workspace_name=context.names.of("log"),
            resource_group_name=group.name,
            location=context.location,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=RETENTION_DAYS,
            features=operationalinsights.WorkspaceFeaturesArgs(
                disable_local_auth=True, enable_log_access_using_only_resource_permissions=True
            ),
            workspace_capping=operationalinsights.WorkspaceCappingArgs(
                daily_quota_gb=context.profile.logs_gigabytes_per_day
            ),
            tags=context.tags,
            opts=context.protected_options(self),
        )

    def send_diagnostics(
        self,
        name: str,
        resource_id: pulumi.Input[str],
        parent: pulumi.Resource,
        *,
        logs: Sequence[str] | None = None,
        metrics: str = "AllMetrics",
    ) -> None:
        """Send a resource's logs and metrics to Log Analytics; `logs` are categories, by default all there are."""
        categories = [{"category_group": "allLogs"}] if logs is None else [{"category": each} for each in logs]
        monitor.DiagnosticSetting(
            f"diagnostics-{name}",
            name="to-log-analytics",
            resource_uri=resource_id,
            workspace_id=self.logs_id,
            logs=[{**category, "enabled": True} for category in categories],
            metrics=[{"category": metrics, "enabled": True}],
            opts=self._context.replaceable_options(parent),
        )
