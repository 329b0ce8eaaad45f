"""Where drift waits until CI has agreed to it: a queue that offers it again, and after a day sets it aside.

A queue of its own, not one of the stage's storage: what takes from it runs outside the stage's network, and here lie
pointers to records, no data. The cheapest tier knows no networks; identities guard it.
"""

from __future__ import annotations

from pulumi_azure_native import servicebus

from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.monitoring import Monitoring

QUEUE = "drift-found"
PATIENCE = "P1D"
LOCK = "PT5M"  # the longest there is; the handler looks less often
MOST_OFFERS = 200  # more than it looks in a day, so that the day decides


class DriftQueue(Component):
    """The queue, in a namespace of its own."""

    def __init__(self, context: Context, group: ResourceGroup, monitoring: Monitoring) -> None:
        super().__init__("drift-queue")
        self.namespace = servicebus.Namespace(
            "drift-namespace",
            namespace_name=context.names.drift_namespace,
            resource_group_name=group.name,
            location=context.location,
            sku=servicebus.SBSkuArgs(name=servicebus.SkuName.BASIC, tier=servicebus.SkuTier.BASIC),
            disable_local_auth=True,
            minimum_tls_version="1.2",
            tags=context.tags,
            opts=context.lasting(self),
        )
        self.queue = servicebus.Queue(
            "drift-queue",
            queue_name=QUEUE,
            namespace_name=self.namespace.name,
            resource_group_name=group.name,
            default_message_time_to_live=PATIENCE,
            dead_lettering_on_message_expiration=True,
            lock_duration=LOCK,
            max_delivery_count=MOST_OFFERS,
            opts=context.lasting(self),
        )
        monitoring.watch("drift-namespace", self.namespace.id, self)
        self.address = f"https://{context.names.drift_namespace}.servicebus.windows.net/{QUEUE}"
        self.register_outputs({"queue": self.queue.id})
