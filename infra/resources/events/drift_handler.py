"""What turns drift into a retraining: a subscription that passes only such drift on, and a workflow that notifies CI.

A consumption Logic App, because it is the least to maintain: no code to patch, no plan, no storage, no address that
anyone could call. Event Grid cannot push to it, since a workflow does not answer the handshake of CloudEvents and its
address would be a secret. So it polls a queue, which also waits while CI is down. drift_workflow.py defines what it
does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import eventgrid, logic

from resources.base import BaseResources
from resources.context import Component, Context
from resources.events.drift_queue import QUEUE, DriftQueue
from resources.events.drift_workflow import DRIFT_FOUND, GitHubRepository, Pipeline, WorkflowSettings, definition_of
from resources.events.event_topic import EventTopic
from resources.events.handler_vault import HandlerVault
from resources.events.workspace_events import DELIVERY_ATTEMPTS, MINUTES_TO_LIVE
from resources.monitoring.alerts import ERROR, WARNING, Rule
from resources.workspace.storage import DEAD_LETTERS, Storage
from roles import Identity

WORKFLOWS = "Microsoft.Logic/workflows"
NAMESPACES = "Microsoft.ServiceBus/namespaces"
TOPICS = "Microsoft.EventGrid/topics"
SUBSCRIPTION = "drift-to-handler"
FAILED_RUNS = 2  # one may fail because CI was unavailable for a moment


class DriftHandler(Component):
    """The subscription and the workflow. `depends_on` must name the rights to deliver and to receive."""

    def __init__(
        self,
        base: BaseResources,
        event_topic: EventTopic,
        queue: DriftQueue,
        vault: HandlerVault | None,
        storage: Storage,
        depends_on: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("drift-handler")
        self._base = base
        self._subscription(event_topic, queue, storage, [*depends_on, storage.containers[DEAD_LETTERS]])
        context = base.context
        self.workflow = logic.Workflow(
            "drift-workflow",
            workflow_name=context.names.of("logic", "drift"),
            resource_group_name=base.group.name,
            location=context.location,
            state="Enabled",
            identity=logic.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[base.identities.resource_id(Identity.HANDLER)]
            ),
            definition=definition_of(workflow_settings(context, queue, vault)),
            tags=context.tags,
            opts=context.protected_options(self, depends_on),
        )
        base.monitoring.send_diagnostics("drift-workflow", self.workflow.id, self)
        self.register_outputs({"workflow": self.workflow.id})

    def _subscription(
        self, event_topic: EventTopic, queue: DriftQueue, storage: Storage, depends_on: Sequence[pulumi.Resource]
    ) -> None:
        identity = eventgrid.EventSubscriptionIdentityArgs(type="SystemAssigned")
        eventgrid.TopicEventSubscription(
            "on-drift",
            event_subscription_name=SUBSCRIPTION,
            topic_name=event_topic.topic.name,
            resource_group_name=self._base.group.name,
            event_delivery_schema="CloudEventSchemaV1_0",
            # Nothing else reaches the handler: neither drift that a newer model would not fix, nor a rollout.
            filter=eventgrid.EventSubscriptionFilterArgs(
                included_event_types=[DRIFT_FOUND],
                advanced_filters=[
                    eventgrid.BoolEqualsAdvancedFilterArgs(operator_type="BoolEquals", key="data.retrain", value=True)
                ],
            ),
            delivery_with_resource_identity=eventgrid.DeliveryWithResourceIdentityArgs(
                identity=identity,
                destination=eventgrid.ServiceBusQueueEventSubscriptionDestinationArgs(
                    endpoint_type="ServiceBusQueue", resource_id=queue.queue.id
                ),
            ),
            dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
                identity=identity,
                dead_letter_destination=eventgrid.StorageBlobDeadLetterDestinationArgs(
                    endpoint_type="StorageBlob", resource_id=storage.account.id, blob_container_name=DEAD_LETTERS
                ),
            ),
            retry_policy=eventgrid.RetryPolicyArgs(
                max_delivery_attempts=DELIVERY_ATTEMPTS, event_time_to_live_in_minutes=MINUTES_TO_LIVE
            ),
            opts=self._base.context.replaceable_options(self, depends_on),
        )


def workflow_settings(context: Context, queue: DriftQueue, vault: HandlerVault | None) -> WorkflowSettings:
    """Whom a stage's drift is reported to. Raises ValueError for GitHub without repository or vault."""
    settings = context.settings
    triggers, repository = settings.on_drift, settings.ci.github
    github = pipeline = None
    if triggers.github is not None:
        if repository is None or vault is None:
            raise ValueError("on_drift.github needs ci.github and the handler's vault")
        token = f"{vault.address}/secrets/{triggers.github.secret}"
        github = GitHubRepository(repository.organisation, repository.repository, token)
    if triggers.azure_devops is not None:
        devops = triggers.azure_devops
        pipeline = Pipeline(devops.organisation, devops.project, devops.pipeline, devops.branch)
    identity = context.names.identity_id(Identity.HANDLER)
    return WorkflowSettings(settings.stage, queue.address, identity, github, pipeline)


def handler_rules() -> tuple[Rule, ...]:
    """The alerts on the workflow."""
    return (
        Rule(
            "drift-not-accepted",
            WORKFLOWS,
            "RunsFailed",
            "Total",
            FAILED_RUNS,
            "PT15M",
            "PT1H",
            WARNING,
            "CI does not accept drift, or the handler may not reach it: the run history of the workflow says why.",
        ),
    )


def topic_rules() -> tuple[Rule, ...]:
    """The alerts on the topic."""
    return (
        Rule(
            "drift-undelivered",
            TOPICS,
            "DeadLetteredCount",
            "Total",
            0,
            "PT15M",
            "PT1H",
            ERROR,
            "Drift did not reach the queue for a day; it is in the container `dead-letters`.",
            (("EventSubscriptionName", (SUBSCRIPTION,)),),
        ),
    )


def queue_rules() -> tuple[Rule, ...]:
    """The alerts on the queue's namespace."""
    return (
        Rule(
            "drift-dead-lettered",
            NAMESPACES,
            "DeadletteredMessages",
            "Maximum",
            0,
            "PT15M",
            "PT1H",
            ERROR,
            "Drift has waited for a day and started no training: start one by hand with `mlops retrain`.",
            (("EntityName", (QUEUE,)),),
        ),
    )
