"""Metrics of the scoring pods: a store that managed Prometheus writes to, and alerts on it."""

from __future__ import annotations

from pulumi_azure_native import alertsmanagement, monitor

from resources.base import BaseResources
from resources.context import Component
from resources.kubernetes.cluster import KubernetesCluster
from resources.kubernetes.prometheus_rules import PrometheusRule, rules_of
from resources.monitoring.alerts import ActionGroup, runbook

STREAM = "Microsoft-PrometheusMetrics"
DESTINATION = "metrics-store"
EVERY = "PT1M"
RESOLVED_AFTER = "PT10M"


class Metrics(Component):
    """The metrics store, and the rules by which the cluster's metrics are collected into it."""

    def __init__(self, base: BaseResources, kubernetes: KubernetesCluster) -> None:
        super().__init__("metrics")
        context, group = base.context, base.group
        self._context = context
        self._group = group
        self._cluster = kubernetes.cluster
        self.store = monitor.AzureMonitorWorkspace(
            "metrics-store",
            azure_monitor_workspace_name=context.names.of("amw"),
            resource_group_name=group.name,
            location=context.location,
            tags=context.tags,
            opts=context.protected_options(self),
        )
        self._collect()
        self.register_outputs({"store": self.store.id})

    def add_alerts(self, action_group: ActionGroup) -> None:
        """Declare the alerts, which notify the action group."""
        context = self._context
        alertsmanagement.PrometheusRuleGroup(
            "prometheus-alerts",
            rule_group_name=context.names.of("prometheus", "scoring"),
            resource_group_name=self._group.name,
            location=context.location,
            description="How the deployments of the stage perform.",
            enabled=True,
            interval=EVERY,
            scopes=[self.store.id, self._cluster.id],
            cluster_name=self._cluster.name,
            rules=[self._rule(rule, action_group) for rule in rules_of(context.settings)],
            tags=context.tags,
            opts=context.replaceable_options(self),
        )

    def _collect(self) -> None:
        context = self._context
        endpoint = monitor.DataCollectionEndpoint(
            "metrics-endpoint",
            data_collection_endpoint_name=context.names.of("dce"),
            kind="Linux",
            network_acls=monitor.DataCollectionEndpointNetworkAclsArgs(public_network_access="Enabled"),
            opts=context.replaceable_options(self),
            resource_group_name=self._group.name,
            location=context.location,
            tags=context.tags,
        )
        monitor.DataCollectionRuleAssociation(
            "metrics-of-the-cluster",
            association_name="prometheus",
            data_collection_rule_id=self._collection_rule(endpoint).id,
            resource_uri=self._cluster.id,
            opts=context.replaceable_options(self),
        )

    def _collection_rule(self, endpoint: monitor.DataCollectionEndpoint) -> monitor.DataCollectionRule:
        context = self._context
        return monitor.DataCollectionRule(
            "metrics-rule",
            data_collection_rule_name=context.names.of("dcr"),
            kind="Linux",
            data_collection_endpoint_id=endpoint.id,
            data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                prometheus_forwarder=[
                    monitor.PrometheusForwarderDataSourceArgs(
                        name="prometheus", streams=[STREAM], label_include_filter={}
                    )
                ]
            ),
            destinations=monitor.DataCollectionRuleDestinationsArgs(
                monitoring_accounts=[
                    monitor.MonitoringAccountDestinationArgs(name=DESTINATION, account_resource_id=self.store.id)
                ]
            ),
            data_flows=[monitor.DataFlowArgs(streams=[STREAM], destinations=[DESTINATION])],
            opts=context.replaceable_options(self),
            resource_group_name=self._group.name,
            location=context.location,
            tags=context.tags,
        )

    def _rule(self, rule: PrometheusRule, action_group: ActionGroup) -> alertsmanagement.PrometheusRuleArgs:
        return alertsmanagement.PrometheusRuleArgs(
            alert=rule.name,
            expression=rule.expression,
            for_=rule.for_,
            severity=rule.severity,
            enabled=True,
            annotations={"summary": rule.summary, "runbook_url": runbook(self._context, rule.name)},
            actions=[alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=action_group.id)],
            resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(
                auto_resolved=True, time_to_resolve=RESOLVED_AFTER
            ),
        )
