"""What the scoring pods write to their console, in Log Analytics: without this rule the add-on collects nothing."""

from __future__ import annotations

from pulumi_azure_native import monitor

from resources.base import BaseResources
from resources.context import Component
from resources.kubernetes.attachment import RELEASE_NAMESPACE
from resources.kubernetes.cluster import KubernetesCluster

STREAMS = ["Microsoft-ContainerLogV2", "Microsoft-KubeEvents"]
DESTINATION = "log-analytics"
ASSOCIATION = "ContainerInsightsExtension"  # the name that the add-on looks for


class ContainerLogs(Component):
    """The rule and its association with the cluster. Only the namespaces of the service are collected."""

    def __init__(self, base: BaseResources, kubernetes: KubernetesCluster, namespace: str) -> None:
        super().__init__("container-logs")
        context, group = base.context, base.group
        rule = monitor.DataCollectionRule(
            "container-logs",
            data_collection_rule_name=context.names.of("dcr", "logs"),
            resource_group_name=group.name,
            location=context.location,
            kind="Linux",
            data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                extensions=[
                    monitor.ExtensionDataSourceArgs(
                        name=ASSOCIATION,
                        extension_name="ContainerInsights",
                        streams=STREAMS,
                        extension_settings={
                            "dataCollectionSettings": {
                                "interval": "1m",
                                "namespaceFilteringMode": "Include",
                                "namespaces": [namespace, RELEASE_NAMESPACE],
                                "enableContainerLogV2": True,
                            }
                        },
                    )
                ]
            ),
            destinations=monitor.DataCollectionRuleDestinationsArgs(
                log_analytics=[
                    monitor.LogAnalyticsDestinationArgs(name=DESTINATION, workspace_resource_id=base.monitoring.logs_id)
                ]
            ),
            data_flows=[monitor.DataFlowArgs(streams=STREAMS, destinations=[DESTINATION])],
            tags=context.tags,
            opts=context.replaceable_options(self),
        )
        monitor.DataCollectionRuleAssociation(
            "container-logs-of-the-cluster",
            association_name=ASSOCIATION,
            data_collection_rule_id=rule.id,
            resource_uri=kubernetes.cluster.id,
            opts=context.replaceable_options(self),
        )
        self.register_outputs({"rule": rule.id})
