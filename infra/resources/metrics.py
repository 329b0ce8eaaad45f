"""What the pods that serve count: a store that managed Prometheus fills, and alerts on what it holds."""

from __future__ import annotations

from pulumi_azure_native import alertsmanagement, monitor

from prometheus_rules import PrometheusRule, rules_of
from resources.alerts import ActionGroup, runbook
from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.kubernetes import KubernetesCluster

STREAM = "Microsoft-PrometheusMetrics"
DESTINATION = "metrics-store"
EVERY = "PT1M"
QUIET_BEFORE_RESOLVED = "PT10M"


class Metrics(Component):
    """The store, and the way of the cluster's metrics into it. Who may read is granted elsewhere."""

    def __init__(self, context: Context, group: ResourceGroup, kubernetes: KubernetesCluster) -> None:
        super().__init__("metrics")
        self._context = context
        self._group = group
        self._cluster = kubernetes.cluster
        self.store = monitor.AzureMonitorWorkspace(
            "metrics-store",
            azure_monitor_workspace_name=context.names.of("amw"),
            resource_group_name=group.name,
            location=context.location,
            tags=context.tags,
            opts=context.lasting(self),
        )
        self._collect()
        self.register_outputs({"store": self.store.id})

    def alert(self, people: ActionGroup) -> None:
        """Make the alerts, which tell `people`."""
        context = self._context
        alertsmanagement.PrometheusRuleGroup(
            "prometheus-alerts",
            rule_group_name=context.names.of("prometheus", "scoring"),
            resource_group_name=self._group.name,
            location=context.location,
            description="How the deployments of the stage answer.",
            enabled=True,
            interval=EVERY,
            scopes=[self.store.id, self._cluster.id],
            cluster_name=self._cluster.name,
            rules=[self._rule(rule, people) for rule in rules_of(context.settings)],
            tags=context.tags,
            opts=context.passing(self),
        )

    def _collect(self) -> None:
        context = self._context
        endpoint = monitor.DataCollectionEndpoint(
            "metrics-endpoint",
            data_collection_endpoint_name=context.names.of("dce"),
            kind="Linux",
            network_acls=monitor.DataCollectionEndpointNetworkAclsArgs(public_network_access="Enabled"),
            opts=context.passing(self),
            resource_group_name=self._group.name,
            location=context.location,
            tags=context.tags,
        )
        rule = monitor.DataCollectionRule(
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
            opts=context.passing(self),
            resource_group_name=self._group.name,
            location=context.location,
            tags=context.tags,
        )
        monitor.DataCollectionRuleAssociation(
            "metrics-of-the-cluster",
            association_name="prometheus",
            data_collection_rule_id=rule.id,
            resource_uri=self._cluster.id,
            opts=context.passing(self),
        )

    def _rule(self, rule: PrometheusRule, people: ActionGroup) -> alertsmanagement.PrometheusRuleArgs:
        return alertsmanagement.PrometheusRuleArgs(
            alert=rule.name,
            expression=rule.expression,
            for_=rule.for_,
            severity=rule.severity,
            enabled=True,
            annotations={"summary": rule.summary, "runbook_url": runbook(self._context, rule.name)},
            actions=[alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=people.id)],
            resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(
                auto_resolved=True, time_to_resolve=QUIET_BEFORE_RESOLVED
            ),
        )
