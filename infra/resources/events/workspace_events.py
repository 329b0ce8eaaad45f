"""Events of the workspace in a queue: models registered, jobs completed. Delivered by identity."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import eventgrid

from resources.base import BaseResources
from resources.context import Component
from resources.events.event_topic import own_identity, principal_of
from resources.workspace.storage import DEAD_LETTERS, EVENT_QUEUE, Storage
from resources.workspace.workspace import Workspace
from roles import Identity

SUBSCRIPTIONS = {
    "model-registered": "Microsoft.MachineLearningServices.ModelRegistered",
    "job-completed": "Microsoft.MachineLearningServices.RunCompleted",
}
DELIVERY_ATTEMPTS = 30
MINUTES_TO_LIVE = 1440
MESSAGE_SECONDS = 7 * 24 * 60 * 60


class WorkspaceEvents(Component):
    """The workspace's topic; `subscribe` declares its subscriptions."""

    def __init__(self, base: BaseResources, workspace: Workspace, storage: Storage) -> None:
        super().__init__("events")
        self._base = base
        self._storage = storage
        self._identity = eventgrid.EventSubscriptionIdentityArgs(type="SystemAssigned")
        context = base.context
        self.topic = eventgrid.SystemTopic(
            "topic",
            system_topic_name=context.names.of("evgt"),
            resource_group_name=base.group.name,
            location=context.location,
            source=workspace.id,
            topic_type="Microsoft.MachineLearningServices.Workspaces",
            identity=own_identity(),
            tags=context.tags,
            opts=context.protected_options(self),
        )
        base.identities.add_of_resource(Identity.WORKSPACE_EVENTS, principal_of(self.topic))
        self.register_outputs({"topic": self.topic.id})

    def subscribe(self, depends_on: Sequence[pulumi.Resource]) -> None:
        """Declare the subscriptions. `depends_on` must name the rights of the topic's identity."""
        target = [self._storage.queue, self._storage.containers[DEAD_LETTERS]]
        for name, event_type in SUBSCRIPTIONS.items():
            self._subscription(name, event_type, [*depends_on, *target])

    def _subscription(self, name: str, event_type: str, depends_on: Sequence[pulumi.Resource]) -> None:
        eventgrid.SystemTopicEventSubscription(
            f"on-{name}",
            event_subscription_name=name,
            system_topic_name=self.topic.name,
            resource_group_name=self._base.group.name,
            event_delivery_schema="CloudEventSchemaV1_0",
            filter=eventgrid.EventSubscriptionFilterArgs(included_event_types=[event_type]),
            delivery_with_resource_identity=eventgrid.DeliveryWithResourceIdentityArgs(
                identity=self._identity,
                destination=eventgrid.StorageQueueEventSubscriptionDestinationArgs(
                    endpoint_type="StorageQueue",
                    resource_id=self._storage.account.id,
                    queue_name=EVENT_QUEUE,
                    queue_message_time_to_live_in_seconds=MESSAGE_SECONDS,
                ),
            ),
            dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
                identity=self._identity,
                dead_letter_destination=eventgrid.StorageBlobDeadLetterDestinationArgs(
                    endpoint_type="StorageBlob", resource_id=self._storage.account.id, blob_container_name=DEAD_LETTERS
                ),
            ),
            retry_policy=eventgrid.RetryPolicyArgs(
                max_delivery_attempts=DELIVERY_ATTEMPTS, event_time_to_live_in_minutes=MINUTES_TO_LIVE
            ),
            opts=self._base.context.replaceable_options(self, depends_on),
        )
