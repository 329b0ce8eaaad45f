"""What turns drift into a training: a subscription that lets only such drift through, and a workflow that tells CI.

A consumption Logic App, because it is the least to keep: no code to patch, no plan, no storage, no address that
anybody could call. Event Grid cannot push to it, since a workflow does not answer the handshake of CloudEvents and its
address would be a secret; so it takes from a queue, which also waits while CI is down. What it does stands in
drift_workflow.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import eventgrid, logic

from resources.alerts import ERROR, WARNING, Rule
from resources.announcements import Announcements
from resources.context import Component, Context
from resources.drift_queue import QUEUE, DriftQueue
from resources.drift_workflow import DRIFT_FOUND, GitHubRepository, Pipeline, Wiring, definition_of
from resources.events import DELIVERY_ATTEMPTS, MINUTES_TO_LIVE
from resources.group import ResourceGroup
from resources.handler_vault import HandlerVault
from resources.identities import Identities
from resources.monitoring import Monitoring
from resources.storage import DEAD_LETTERS, Storage
from roles import Machine

WORKFLOWS = "Microsoft.Logic/workflows"
NAMESPACES = "Microsoft.ServiceBus/namespaces"
TOPICS = "Microsoft.EventGrid/topics"
SUBSCRIPTION = "drift-to-handler"
FAILED_LOOKS = 2  # one may fail because CI was away for a moment


class DriftHandler(Component):
    """The subscription and the workflow. `ready` must name the rights of who delivers and of who takes."""

    def __init__(
        self,
        context: Context,
        group: ResourceGroup,
        announcements: Announcements,
        queue: DriftQueue,
        vault: HandlerVault | None,
        storage: Storage,
        identities: Identities,
        monitoring: Monitoring,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("drift-handler")
        self._context = context
        self._group = group
        self._subscription(announcements, queue, storage, identities, [*ready, storage.containers[DEAD_LETTERS]])
        self.workflow = logic.Workflow(
            "drift-workflow",
            workflow_name=context.names.of("logic", "drift"),
            resource_group_name=group.name,
            location=context.location,
            state="Enabled",
            identity=logic.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[identities.of(Machine.HANDLER)]
            ),
            definition=definition_of(wiring_of(context, queue, vault)),
            tags=context.tags,
            opts=context.lasting(self, ready),
        )
        monitoring.watch("drift-workflow", self.workflow.id, self)
        self.register_outputs({"workflow": self.workflow.id})

    def _subscription(
        self,
        announcements: Announcements,
        queue: DriftQueue,
        storage: Storage,
        identities: Identities,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        identity = eventgrid.EventSubscriptionIdentityArgs(
            type="UserAssigned", user_assigned_identity=identities.of(Machine.EVENTS)
        )
        eventgrid.TopicEventSubscription(
            "on-drift",
            event_subscription_name=SUBSCRIPTION,
            topic_name=announcements.topic.name,
            resource_group_name=self._group.name,
            event_delivery_schema="CloudEventSchemaV1_0",
            # Nothing else wakes the handler: not drift that a newer model would not mend, not a rollout.
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
            opts=self._context.passing(self, ready),
        )


def wiring_of(context: Context, queue: DriftQueue, vault: HandlerVault | None) -> Wiring:
    """Who is told of a stage's drift, by its settings. Raises ValueError for GitHub without repository or vault."""
    settings = context.settings
    asked, repository = settings.on_drift, settings.ci.github
    github = pipeline = None
    if asked.github is not None:
        if repository is None or vault is None:
            raise ValueError("on_drift.github asks for ci.github and for the handler's vault")
        token = f"{vault.address}/secrets/{asked.github.secret}"
        github = GitHubRepository(repository.organisation, repository.repository, token)
    if asked.azure_devops is not None:
        devops = asked.azure_devops
        pipeline = Pipeline(devops.organisation, devops.project, devops.pipeline, devops.branch)
    identity = context.names.identity_id(Machine.HANDLER)
    return Wiring(settings.stage, queue.address, identity, github, pipeline)


def handler_rules() -> tuple[Rule, ...]:
    """What is watched on the workflow."""
    return (
        Rule(
            "drift-not-taken",
            WORKFLOWS,
            "RunsFailed",
            "Total",
            FAILED_LOOKS,
            "PT15M",
            "PT1H",
            WARNING,
            "CI does not take drift, or the handler may not ask it: the history of the workflow's runs says why.",
        ),
    )


def topic_rules() -> tuple[Rule, ...]:
    """What is watched on the topic."""
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
            "Drift did not reach the queue for a day; it lies in the container `dead-letters`.",
            (("EventSubscriptionName", (SUBSCRIPTION,)),),
        ),
    )


def queue_rules() -> tuple[Rule, ...]:
    """What is watched on the queue's namespace."""
    return (
        Rule(
            "drift-set-aside",
            NAMESPACES,
            "DeadletteredMessages",
            "Maximum",
            0,
            "PT15M",
            "PT1H",
            ERROR,
            "Drift has waited for a day and started no training: start it by hand with `mlops retrain`.",
            (("EntityName", (QUEUE,)),),
        ),
    )
