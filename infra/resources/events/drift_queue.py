"""Where drift waits until CI has accepted it: a queue that redelivers it, and dead-letters it after a day.

A queue of its own, not one of the stage's storage: its consumer runs outside the stage's network, and the messages are
references to records, no data. The cheapest tier has no network rules; access is by identity.
"""

from __future__ import annotations

from pulumi_azure_native import servicebus

from resources.base import BaseResources
from resources.context import Component

QUEUE = "drift-found"
TIME_TO_LIVE = "P1D"
LOCK = "PT5M"  # the longest that Azure allows; the handler polls less often
MAX_DELIVERIES = 200  # more than the handler's polls in a day, so that the time to live decides


class DriftQueue(Component):
    """The queue, in a namespace of its own."""

    def __init__(self, base: BaseResources) -> None:
        super().__init__("drift-queue")
        context = base.context
        self.namespace = servicebus.Namespace(
            "drift-namespace",
            namespace_name=context.names.drift_namespace,
            resource_group_name=base.group.name,
            location=context.location,
            sku=servicebus.SBSkuArgs(name=servicebus.SkuName.BASIC, tier=servicebus.SkuTier.BASIC),
            disable_local_auth=True,
            minimum_tls_version="1.2",
            tags=context.tags,
            opts=context.protected_options(self),
        )
        self.queue = servicebus.Queue(
            "drift-queue",
            queue_name=QUEUE,
            namespace_name=self.namespace.name,
            resource_group_name=base.group.name,
            default_message_time_to_live=TIME_TO_LIVE,
            dead_lettering_on_message_expiration=True,
            lock_duration=LOCK,
            max_delivery_count=MAX_DELIVERIES,
            opts=context.protected_options(self),
        )
        base.monitoring.send_diagnostics("drift-namespace", self.namespace.id, self)
        self.address = f"https://{context.names.drift_namespace}.servicebus.windows.net/{QUEUE}"
        self.register_outputs({"queue": self.queue.id})
