"""Events on their way: written down with the change they tell of, delivered at least once, kept when nobody takes them.

What is to be delivered is a record in the store until a subscriber has acknowledged it. A kill between the two means
that the subscriber gets it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from azureml_emulator.events.cloud_event import CloudEvent, events_of
from azureml_emulator.events.retries import Limits, Reason, is_taken, next_attempt
from azureml_emulator.events.subscription import Subscription, read_subscription
from azureml_emulator.events.webhook import Webhooks
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.blobs import Blobs

SUBSCRIPTION_KIND: Final = "eventsubscriptions"
# The internal fact that holds what a subscription was made of, with its address in full.
REQUEST: Final = "request"
_TOPIC: Final = "event on its way"
# The clock may jump, as when a laptop wakes up.
_LONGEST_SLEEP: Final = timedelta(seconds=30)
_PRIVATE: Final = 0o700
_log = logging.getLogger(__name__)


class Deliveries:
    """The events of one emulator that were not acknowledged yet."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, webhooks: Webhooks) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._webhooks = webhooks
        # Of several at one moment the first one stays the first.
        self._numbers = count()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # By subscriber: who hangs keeps nobody else waiting.
        self._busy: dict[str, asyncio.Task[None]] = {}

    def watch(self, before: Resource | None, after: Resource) -> None:
        """Write down what a change of a resource is in events; called within the change's own transaction."""
        for event in events_of(before, after, self._clock.identifier, self._clock.now()):
            self.publish(event["source"], event)

    def publish(self, topic: str, event: CloudEvent) -> None:
        """Have an event of a topic or workspace delivered to everyone who subscribed to it."""
        now = self._clock.timestamp()
        for resource in self._store.children(topic, SUBSCRIPTION_KIND):
            if not subscription_of(resource).wants(event):
                continue
            value = {"event": event, "to": resource.key, "published": now, "due": now, "attempts": 0}
            self._store.put_record(_TOPIC, f"{now} {next(self._numbers):09}", value)
            self._changed.set()

    def waiting(self) -> dict[str, dict[str, Any]]:
        """What is on its way, the oldest first."""
        return dict(sorted(self._store.records(_TOPIC).items()))

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what was not acknowledged is delivered by the next start."""
        ending = [*([self._task] if self._task is not None else []), *self._busy.values()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._webhooks.close()

    async def tick(self) -> None:
        """Deliver what is due: to each subscriber one after another, to several at once."""
        await asyncio.gather(*(self._to_one(keys) for keys in self._due().values()))

    def _due(self) -> dict[str, list[str]]:
        """What is due by subscriber, the oldest first."""
        now = self._clock.now()
        due: dict[str, list[str]] = {}
        for key, value in self.waiting().items():
            if datetime.fromisoformat(value["due"]) <= now:
                due.setdefault(value["to"], []).append(key)
        return due

    async def _to_one(self, keys: list[str]) -> None:
        for key in keys:
            await self._attempt(key)

    async def _attempt(self, key: str) -> None:
        value = self._store.record(_TOPIC, key)
        resource = self._store.get(value["to"]) if value else None
        if value is None or resource is None:
            # Nobody subscribes any more.
            self._store.delete_record(_TOPIC, key)
            return
        to, attempts = subscription_of(resource), value["attempts"] + 1
        status = await self._webhooks.deliver(to.url, to.name, value["event"], attempts)
        if is_taken(status):
            self._store.delete_record(_TOPIC, key)
            return
        published, now = datetime.fromisoformat(value["published"]), self._clock.now()
        limits = Limits(to.attempts, timedelta(minutes=to.minutes), to.dead_letters is not None)
        following = next_attempt(limits, published, attempts, status, now)
        if isinstance(following, datetime):
            again = {**value, "attempts": attempts, "due": following.isoformat()}
            self._store.put_record(_TOPIC, key, again)
            return
        self._bury(to, value, attempts, status, following)
        self._store.delete_record(_TOPIC, key)

    def _bury(self, to: Subscription, value: dict[str, Any], attempts: int, status: int, reason: Reason) -> None:
        """Keep an event that nobody took, where the subscription says so; a second time over the first."""
        event = value["event"]
        _log.warning("event %s was not taken by %s: %s, last status %s", event["id"], to.name, reason, status)
        if to.dead_letters is None:
            return
        letter = {
            **event,
            "deadletterreason": reason,
            "deliveryattempts": attempts,
            "lastdeliveryoutcome": str(status) if status else "NoAnswer",
            "publishtime": value["published"],
        }
        hour = datetime.fromisoformat(value["published"]).strftime("%Y/%m/%d/%H")
        name = f"{to.name}/{hour}/{self._clock.identifier()}.json"
        try:
            file = self._blobs.path(to.dead_letters.account, to.dead_letters.container, name)
            file.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            file.write_text(json.dumps([letter]))
        except (EmulatorError, OSError) as error:
            _log.warning("event %s is dropped: its dead letter cannot be written: %s", event["id"], error)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            for to, keys in self._due().items():
                if to not in self._busy:
                    self._busy[to] = asyncio.create_task(self._serve(to, keys))
            try:
                async with asyncio.timeout(self._pause().total_seconds()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _serve(self, to: str, keys: list[str]) -> None:
        try:
            await self._to_one(keys)
        finally:
            del self._busy[to]
            self._changed.set()

    def _pause(self) -> timedelta:
        waiting = [value for value in self.waiting().values() if value["to"] not in self._busy]
        moments = [datetime.fromisoformat(value["due"]) for value in waiting]
        left = min(moments, default=self._clock.now() + _LONGEST_SLEEP) - self._clock.now()
        return min(max(left, timedelta(0)), _LONGEST_SLEEP)


def subscription_of(resource: Resource) -> Subscription:
    """A stored subscription."""
    return read_subscription(resource.name, resource.internal[REQUEST])
