"""Delivery of events, at least once: stored with the change that caused them, retried, and dead-lettered.

A pending delivery is a record in the store until the subscriber has acknowledged it. After a kill between the two, the
subscriber gets the event again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from azureml_emulator.events.cloud_event import CloudEvent, events_of
from azureml_emulator.events.retries import Limits, Reason, is_acknowledged, next_attempt
from azureml_emulator.events.subscription import Subscription, read_subscription
from azureml_emulator.events.webhook import Webhooks
from azureml_emulator.kernel.background import keep_running, run_once
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.blobs import Blobs

SUBSCRIPTION_KIND: Final = "eventsubscriptions"
# The internal field with the request that made a subscription, including the full address.
REQUEST: Final = "request"
_TOPIC: Final = "pending event"
# The clock may jump, for example when a laptop wakes up.
_MAX_SLEEP: Final = timedelta(seconds=30)
_FOLDER_MODE: Final = 0o700
_log = logging.getLogger(__name__)


class Deliveries:
    """The pending deliveries of one emulator."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, webhooks: Webhooks) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._webhooks = webhooks
        # Keeps the order of events with the same time.
        self._numbers = count()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # One task per subscriber, so that a slow one does not delay the others.
        self._busy: dict[str, asyncio.Task[None]] = {}

    def watch(self, before: Resource | None, after: Resource) -> None:
        """Store the events of a change of a resource. Called inside the transaction of the change."""
        for event in events_of(before, after, self._clock.identifier, self._clock.now()):
            self.publish(event["source"], event)

    def publish(self, topic: str, event: CloudEvent) -> None:
        """Queue an event of a topic or workspace for all its subscribers."""
        now = self._clock.timestamp()
        for resource in self._store.children(topic, SUBSCRIPTION_KIND):
            if not subscription_of(resource).matches(event):
                continue
            value = {"event": event, "to": resource.key, "published": now, "due": now, "attempts": 0}
            self._store.put_record(_TOPIC, f"{now} {next(self._numbers):09}", value)
            self._changed.set()

    def pending(self) -> dict[str, dict[str, Any]]:
        """The pending deliveries, oldest first."""
        return dict(sorted(self._store.records(_TOPIC).items()))

    def open(self) -> None:
        """Begin."""
        self._task = keep_running(self._run, "the delivery of events")

    async def close(self) -> None:
        """Stop. Pending deliveries continue after the next start."""
        ending = [*([self._task] if self._task is not None else []), *self._busy.values()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._webhooks.close()

    async def tick(self) -> None:
        """Deliver everything that is due: in order per subscriber, in parallel across subscribers."""
        await asyncio.gather(*(self._to_one(keys) for keys in self._due().values()))

    def _due(self) -> dict[str, list[str]]:
        """The due deliveries by subscriber, oldest first."""
        now = self._clock.now()
        due: dict[str, list[str]] = {}
        for key, value in self.pending().items():
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
            # The subscription was deleted.
            self._store.delete_record(_TOPIC, key)
            return
        to, attempts = subscription_of(resource), value["attempts"] + 1
        status = await self._webhooks.deliver(to.url, to.name, value["event"], attempts)
        if is_acknowledged(status):
            self._store.delete_record(_TOPIC, key)
            return
        published, now = datetime.fromisoformat(value["published"]), self._clock.now()
        limits = Limits(to.attempts, timedelta(minutes=to.lifetime_minutes), to.dead_letters is not None)
        following = next_attempt(limits, published, attempts, status, now)
        if isinstance(following, datetime):
            again = {**value, "attempts": attempts, "due": following.isoformat()}
            self._store.put_record(_TOPIC, key, again)
            return
        self._dead_letter(to, value, attempts, status, following)
        self._store.delete_record(_TOPIC, key)

    def _dead_letter(self, to: Subscription, value: dict[str, Any], attempts: int, status: int, reason: Reason) -> None:
        """Write an undeliverable event to the subscription's dead-letter container, if it has one."""
        event = value["event"]
        _log.warning("event %s was not delivered to %s: %s, last status %s", event["id"], to.name, reason, status)
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
            file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            file.write_text(json.dumps([letter]))
        except (EmulatorError, OSError) as error:
            _log.warning("event %s is dropped: its dead letter cannot be written: %s", event["id"], error)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            for to, keys in self._due().items():
                if to not in self._busy:
                    self._busy[to] = run_once(self._serve(to, keys), f"the delivery to {to}")
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
        pending = [value for value in self.pending().values() if value["to"] not in self._busy]
        moments = [datetime.fromisoformat(value["due"]) for value in pending]
        left = min(moments, default=self._clock.now() + _MAX_SLEEP) - self._clock.now()
        return min(max(left, timedelta(0)), _MAX_SLEEP)


def subscription_of(resource: Resource) -> Subscription:
    """The subscription in a resource."""
    return read_subscription(resource.name, resource.internal[REQUEST])
