"""Events, alerts, budgets and logs: delivered by identity, with someone notified."""

from __future__ import annotations

import pytest

from dry_run.result import DryRun
from tests.conftest import dry_run_of


def test_events_are_delivered_by_identity(any_stage: DryRun) -> None:
    subscriptions = any_stage.of("eventgrid:SystemTopicEventSubscription")
    types = {record.inputs["filter"]["includedEventTypes"][0].rsplit(".", 1)[1] for record in subscriptions}
    assert types == {"ModelRegistered", "RunCompleted"}  # Azure publishes no drift of datasets any more
    for record in subscriptions:
        assert record.inputs["deliveryWithResourceIdentity"]["identity"]["type"] == "SystemAssigned"
        assert "destination" not in record.inputs


@pytest.mark.parametrize("variant", ["dev-drift", "prod-drift"])
def test_only_drift_that_asks_for_retraining_reaches_the_handler_and_waits_a_day(variant: str) -> None:
    run = dry_run_of(variant)
    subscription, queue = run.one("eventgrid:TopicEventSubscription").inputs, run.one("servicebus:Queue")
    # then only such events are delivered, by identity
    assert subscription["filter"]["includedEventTypes"] == ["mlops.DriftFound"]
    assert subscription["filter"]["advancedFilters"] == [
        {"operatorType": "BoolEquals", "key": "data.retrain", "value": True}
    ]
    delivery = subscription["deliveryWithResourceIdentity"]
    assert delivery["identity"]["type"] == "SystemAssigned"
    assert delivery["destination"]["resourceId"] == queue.id
    assert "destination" not in subscription
    # and what is not accepted is redelivered for a day and then dead-lettered, not lost
    assert queue.inputs["defaultMessageTimeToLive"] == "P1D"
    assert queue.inputs["deadLetteringOnMessageExpiration"] is True
    polls_per_day = (
        24
        * 60
        / run.one("logic:Workflow").inputs["definition"]["triggers"]["Every_few_minutes"]["recurrence"]["interval"]
    )
    assert queue.inputs["maxDeliveryCount"] > polls_per_day
    assert subscription["retryPolicy"]["eventTimeToLiveInMinutes"] == 24 * 60
    names = {record.name for record in run.of("monitor:MetricAlert")}
    assert {"alert-drift-undelivered", "alert-drift-dead-lettered", "alert-drift-not-accepted"} <= names


def test_the_topic_accepts_cloud_events(any_stage: DryRun) -> None:
    assert any_stage.one("eventgrid:Topic").inputs["inputSchema"] == "CloudEventSchemaV1_0"


def test_endpoint_alerts_come_with_the_endpoint() -> None:
    without = {record.name for record in dry_run_of("staging-managed").of("monitor:MetricAlert")}
    with_endpoint = {record.name for record in dry_run_of("prod-managed").of("monitor:MetricAlert")}
    assert without == {"alert-failed-jobs", "alert-unusable-nodes"}
    assert with_endpoint - without == {"alert-slow-requests", "alert-failed-requests"}


def test_on_kubernetes_the_alerts_are_on_the_pods() -> None:
    run = dry_run_of("prod")
    names = {record.name for record in run.of("monitor:MetricAlert")}
    assert names == {"alert-failed-jobs", "alert-unusable-nodes", "alert-pods-not-running"}
    alert = run.one("monitor:MetricAlert", "alert-pods-not-running")
    assert alert.inputs["scopes"] == [run.one("containerservice:ManagedCluster").id]
    (criterion,) = alert.inputs["criteria"]["allOf"]
    attached = run.one("machinelearningservices:Compute", "kubernetes-compute").inputs["properties"]
    by_name = {dimension["name"]: dimension["values"] for dimension in criterion["dimensions"]}
    assert by_name["namespace"] == [attached["properties"]["namespace"]]


def test_every_alert_notifies_the_action_group(any_stage: DryRun) -> None:
    group = any_stage.one("monitor:ActionGroup")
    assert group.inputs["emailReceivers"]
    for alert in any_stage.of("monitor:MetricAlert"):
        assert [action["actionGroupId"] for action in alert.inputs["actions"]] == [group.id]


def test_the_budget_warns_before_it_is_used_up(any_stack: DryRun) -> None:
    if any_stack.stack == "ci":  # identities and rights cost nothing
        assert not any_stack.of("consumption:Budget")
        return
    budget = any_stack.one("consumption:Budget").inputs
    thresholds = {(n["thresholdType"], n["threshold"]) for n in budget["notifications"].values()}
    assert ("Forecasted", 100) in thresholds
    assert min(percent for kind, percent in thresholds if kind == "Actual") < 100
    assert len(budget["notifications"]) <= 5  # Azure allows no more


def test_every_resource_with_logs_sends_them(any_stage: DryRun) -> None:
    sending = {record.inputs["resourceUri"] for record in any_stage.of("monitor:DiagnosticSetting")}
    for type_ in (
        "machinelearningservices:Workspace",
        "keyvault:Vault",
        "storage:StorageAccount",
        "containerregistry:Registry",
        "containerservice:ManagedCluster",
        "eventgrid:Topic",
        "servicebus:Namespace",
        "logic:Workflow",
    ):
        assert {record.id for record in any_stage.of(type_)} <= sending
