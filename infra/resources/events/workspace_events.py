"""Events of the workspace in a queue: models registered, jobs completed, drift found. Delivered by identity."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import eventgrid

from resources.base import BaseResources
from resources.context import Component
from resources.events.event_topic import topic_identity
from resources.workspace.storage import DEAD_LETTERS, EVENT_QUEUE, Storage
from resources.workspace.workspace import Workspace
from roles import Identity

SUBSCRIPTIONS = {
    "model-registered": "Microsoft.MachineLearningServices.ModelRegistered",
    "job-completed": "Microsoft.MachineLearningServices.RunCompleted",
    "drift-found": "Microsoft.MachineLearningServices.DatasetDriftDetected",
}
DELIVERY_ATTEMPTS = 30
MINUTES_TO_LIVE = 1440
MESSAGE_SECONDS = 7 * 24 * 60 * 60


class WorkspaceEvents(Component):
    """The workspace's topic and its subscriptions. `depends_on` must name the rights of the delivering identity."""

    def __init__(
        self, base: BaseResources, workspace: Workspace, storage: Storage, depends_on: Sequence[pulumi.Resource]
    ) -> None:
        super().__init__("events")
        self._base = base
        self._account_id = storage.account.id
        self._identity = eventgrid.EventSubscriptionIdentityArgs(
            type="UserAssigned", user_assigned_identity=base.identities.resource_id(Identity.EVENTS)
        )
        context = base.context
        self.topic = eventgrid.SystemTopic(
            "topic",
            system_topic_name=context.names.of("evgt"),
            resource_group_name=base.group.name,
            location=context.location,
            source=workspace.id,
            topic_type="Microsoft.MachineLearningServices.Workspaces",
            identity=topic_identity(base),
            tags=context.tags,
            opts=context.protected_options(self),
        )
        for name, event_type in SUBSCRIPTIONS.items():
            self._subscription(name, event_type, [*depends_on, storage.queue, storage.containers[DEAD_LETTERS]])
        self.register_outputs({"topic": self.topic.id})

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
                    resource_id=self._account_id,
                    queue_name=EVENT_QUEUE,
                    queue_message_time_to_live_in_seconds=MESSAGE_SECONDS,
                ),
            ),
            dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
                identity=self._identity,
                dead_letter_destination=eventgrid.StorageBlobDeadLetterDestinationArgs(
                    endpoint_type="StorageBlob", resource_id=self._account_id, blob_container_name=DEAD_LETTERS
                ),
            ),
            retry_policy=eventgrid.RetryPolicyArgs(
                max_delivery_attempts=DELIVERY_ATTEMPTS, event_time_to_live_in_minutes=MINUTES_TO_LIVE
            ),
            opts=self._base.context.replaceable_options(self, depends_on),
        )
