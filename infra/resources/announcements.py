"""The topic on which `mlops` tells of drift and of releases: CloudEvents, by identity and never by key."""

from __future__ import annotations

from pulumi_azure_native import eventgrid

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.identities import Identities
from resources.monitoring import Monitoring
from roles import Machine


class Announcements(Component):
    """The topic of a stage. Who wants to hear subscribes to it."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring, identities: Identities) -> None:
        super().__init__("announcements")
        self.topic = eventgrid.Topic(
            "events-topic",
            topic_name=context.names.events_topic,
            resource_group_name=group.name,
            location=context.location,
            input_schema="CloudEventSchemaV1_0",
            disable_local_auth=True,
            minimum_tls_version_allowed="1.2",
            public_network_access=context.posture.public_network_access,
            identity=eventgrid.IdentityInfoArgs(
                type="UserAssigned",
                user_assigned_identities=identities.of(Machine.EVENTS).apply(
                    lambda identity: {identity: eventgrid.UserIdentityPropertiesArgs()}
                ),
            ),
            tags=context.tags,
            opts=context.lasting(self),
        )
        monitoring.watch("events-topic", self.topic.id, self)
        self.register_outputs({"topic": self.topic.id})
