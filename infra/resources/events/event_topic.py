"""The topic to which `mlops` publishes drift and releases: CloudEvents, by identity and never by key."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import eventgrid

from resources.base import BaseResources
from resources.context import Component
from roles import Identity


class EventTopic(Component):
    """The topic of a stage, open for subscriptions."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("event-topic")
        context = base.context
        self.topic = eventgrid.Topic(
            "events-topic",
            topic_name=context.names.events_topic,
            resource_group_name=base.group.name,
            location=context.location,
            input_schema="CloudEventSchemaV1_0",
            disable_local_auth=True,
            minimum_tls_version_allowed="1.2",
            public_network_access=context.profile.public_network_access,
            identity=own_identity(),
            tags=context.tags,
            opts=context.protected_options(self),
        )
        base.identities.add_of_resource(Identity.TOPIC, principal_of(self.topic))
        base.monitoring.send_diagnostics("events-topic", self.topic.id, self)
        self.register_outputs({"topic": self.topic.id})


def own_identity() -> eventgrid.IdentityInfoArgs:
    """The identity that a topic delivers its events as: its own, the only kind that reaches closed storage."""
    return eventgrid.IdentityInfoArgs(type="SystemAssigned")


def principal_of(topic: eventgrid.Topic | eventgrid.SystemTopic) -> pulumi.Output[str]:
    """The object id of a topic's own identity, which Azure makes with the topic."""
    return topic.identity.apply(lambda identity: (identity.principal_id if identity else None) or "")
