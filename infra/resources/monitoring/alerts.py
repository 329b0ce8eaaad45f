"""Metric alerts on slow or failing endpoints and failing jobs, and the action group that they notify.

Azure Monitor has no metrics of a Kubernetes endpoint: there the alerts are on its pods, and on the pods' own metrics
(resources/kubernetes/metrics.py). Every alert links to its runbook in docs/observability.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor

from naming import Names
from resources.base import BaseResources
from resources.context import Component, Context
from resources.workspace.workspace import Workspace

SHORT_NAME_LIMIT = 12
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
ENDPOINTS = f"{WORKSPACES}/onlineEndpoints"
CLUSTERS = "Microsoft.ContainerService/managedClusters"
NOT_RUNNING = ("Pending", "Failed", "Unknown")
ERROR, WARNING = 1, 2
# What Log Analytics itself notes when it stops taking data; this table does not count against the cap.
CAP_REACHED = '_LogOperation | where Category =~ "Ingestion" and Detail has "OverQuota"'


@dataclass(frozen=True)
class Rule:
    """One metric alert: it fires when the metric, aggregated over the window, is above the threshold."""

    name: str
    namespace: str
    metric: str
    aggregation: str
    above: float
    every: str
    window: str
    severity: int
    description: str
    dimensions: tuple[tuple[str, tuple[str, ...]], ...] = ()


# Rules, and the resource they are about.
Monitored = tuple[tuple[Rule, ...], pulumi.Input[str]]


class ActionGroup(Component):
    """Who is notified by alerts and by the budget."""

    def __init__(
        self,
        names: Names,
        receivers: tuple[str, ...],
        group: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        tags: dict[str, str],
    ) -> None:
        super().__init__("action-group")
        project = names.project[: max(0, SHORT_NAME_LIMIT - len(names.stack) - 1)]
        self.group = monitor.ActionGroup(
            "action-group",
            action_group_name=names.of("ag"),
            group_short_name=f"{project}-{names.stack}"[:SHORT_NAME_LIMIT],
            resource_group_name=group,
            location="global",
            enabled=True,
            email_receivers=[
                {"name": f"receiver-{number}", "email_address": address, "use_common_alert_schema": True}
                for number, address in enumerate(receivers, start=1)
            ],
            tags=tags,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(parent=self)),
        )
        self.id = self.group.id
        self.register_outputs({"group": self.id})


class Alerts(Component):
    """The metric alerts of a stage."""

    def __init__(
        self,
        base: BaseResources,
        workspace: Workspace,
        action_group: ActionGroup,
        cluster: pulumi.Input[str] | None,
        others: Sequence[Monitored] = (),
    ) -> None:
        super().__init__("alerts")
        context = base.context
        self._context = context
        self._group = base.group
        self._action_group = action_group
        if context.settings.logs.workspace is None:
            self._log_cap(base)
        for rule in job_rules(context):
            self._alert(rule, workspace.id)
        if cluster is not None:
            for rule in pod_rules(context):
                self._alert(rule, cluster)
        for rules, scope in others:
            for rule in rules:
                self._alert(rule, scope)
        # Azure refuses an alert on an endpoint that does not exist: the first deployment creates it.
        if context.settings.alerts.endpoint_exists:
            for rule in endpoint_rules(context):
                self._alert(rule, context.names.endpoint_id)
            base.monitoring.send_diagnostics("endpoint", context.names.endpoint_id, self)
        self.register_outputs({})

    def _log_cap(self, base: BaseResources) -> None:
        """An alert on the daily cap of Log Analytics: until midnight nothing is taken in any more."""
        context, name = self._context, "logs-capped"
        monitor.ScheduledQueryRule(
            f"alert-{name}",
            rule_name=context.names.of("alert", name),
            resource_group_name=self._group.name,
            location=context.location,
            kind="LogAlert",
            description=f"Logs are refused for the rest of the day. Runbook: {runbook(context, name)}",
            enabled=True,
            severity=ERROR,
            auto_mitigate=False,
            scopes=[base.monitoring.logs_id],
            evaluation_frequency="PT15M",
            window_size="PT15M",
            criteria=monitor.ScheduledQueryRuleCriteriaArgs(
                all_of=[
                    monitor.ConditionArgs(
                        query=CAP_REACHED, operator="GreaterThan", threshold=0, time_aggregation="Count"
                    )
                ]
            ),
            actions=monitor.ActionsArgs(action_groups=[self._action_group.id]),
            tags=context.tags,
            opts=context.replaceable_options(self),
        )

    def _alert(self, rule: Rule, scope: pulumi.Input[str]) -> None:
        dimensions = [
            monitor.MetricDimensionArgs(name=name, operator="Include", values=list(values))
            for name, values in rule.dimensions
        ]
        criteria = monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
            odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            all_of=[
                monitor.MetricCriteriaArgs(
                    criterion_type="StaticThresholdCriterion",
                    name=rule.name,
                    metric_namespace=rule.namespace,
                    metric_name=rule.metric,
                    operator="GreaterThan",
                    threshold=rule.above,
                    time_aggregation=rule.aggregation,
                    dimensions=dimensions,
                )
            ],
        )
        monitor.MetricAlert(
            f"alert-{rule.name}",
            rule_name=self._context.names.of("alert", rule.name),
            resource_group_name=self._group.name,
            location="global",
            description=f"{rule.description} Runbook: {runbook(self._context, rule.name)}",
            enabled=True,
            severity=rule.severity,
            auto_mitigate=True,
            scopes=[scope],
            evaluation_frequency=rule.every,
            window_size=rule.window,
            criteria=criteria,
            actions=[monitor.MetricAlertActionArgs(action_group_id=self._action_group.id)],
            tags=self._context.tags,
            opts=self._context.replaceable_options(self),
        )


def runbook(context: Context, alert: str) -> str:
    """The address of an alert's runbook."""
    return f"{context.settings.runbooks}#{alert}"


def job_rules(context: Context) -> tuple[Rule, ...]:
    """The alerts on the workspace."""
    return (
        Rule(
            "failed-jobs",
            WORKSPACES,
            "Failed Runs",
            "Total",
            context.settings.alerts.failed_jobs_per_hour,
            "PT15M",
            "PT1H",
            WARNING,
            "A training job failed.",
        ),
        Rule(
            "unusable-nodes",
            WORKSPACES,
            "Unusable Nodes",
            "Maximum",
            0,
            "PT15M",
            "PT1H",
            WARNING,
            "A node of a compute cluster cannot be used.",
        ),
    )


def pod_rules(context: Context) -> tuple[Rule, ...]:
    """The alerts on the cluster, for all deployments together."""
    kubernetes = context.settings.kubernetes
    if kubernetes is None:
        return ()
    return (
        Rule(
            "pods-not-running",
            CLUSTERS,
            "kube_pod_status_phase",
            "Average",
            0,
            "PT1M",
            "PT5M",
            ERROR,
            "A pod that should serve requests is not running.",
            (("phase", NOT_RUNNING), ("namespace", (kubernetes.namespace,))),
        ),
    )


def endpoint_rules(context: Context) -> tuple[Rule, ...]:
    """The alerts on the online endpoint, for all its deployments together."""
    alerts = context.settings.alerts
    return (
        Rule(
            "slow-requests",
            ENDPOINTS,
            "RequestLatency_P95",
            "Average",
            alerts.latency_p95_milliseconds,
            "PT1M",
            "PT5M",
            WARNING,
            "The 95th percentile of the latency is too high.",
        ),
        Rule(
            "failed-requests",
            ENDPOINTS,
            "RequestsPerMinute",
            "Average",
            alerts.failed_requests_per_minute,
            "PT1M",
            "PT5M",
            ERROR,
            "The endpoint answers with server errors.",
            (("statusCodeClass", ("5xx",)),),
        ),
    )
