"""Deliveries to a real subscriber, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azureml_emulator.events.delivery import REQUEST, SUBSCRIPTION_KIND, Deliveries
from azureml_emulator.events.webhook import Webhooks
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.blobs import Blobs

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
JOB = f"{WORKSPACE}/jobs/job-1"


class World:
    """A store with one subscription, the deliveries, and the clock."""

    def __init__(self, folder: Path, url: str, **request: Any) -> None:
        self.now = BEGIN
        self.folder = folder
        self.store, self.deliveries = self.opened()
        webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
        given = {"destination": webhook, "eventDeliverySchema": "CloudEventSchemaV1_0", **request}
        identifier = f"{WORKSPACE}/providers/Microsoft.EventGrid/eventSubscriptions/mine"
        document = {"id": identifier, "name": "mine", "properties": {}}
        self.store.put(Resource(identifier, SUBSCRIPTION_KIND, WORKSPACE, document, {REQUEST: given}))

    def opened(self) -> tuple[Store, Deliveries]:
        """The store as a new process finds it."""
        store = Store(self.folder / "store.sqlite")
        blobs = Blobs(self.folder / "blobs", store)
        deliveries = Deliveries(store, blobs, Clock(now=lambda: self.now), Webhooks())
        store.watch(deliveries.watch)
        return store, deliveries

    def job(self, status: str) -> None:
        """Set the state of a job."""
        properties = {"status": status, "jobType": "Pipeline", "experimentName": "train", "tags": {"a": "b"}}
        document = {"id": JOB, "name": "job-1", "properties": properties}
        self.store.put(Resource(JOB, "jobs", WORKSPACE, document))

    async def at(self, passed: timedelta) -> None:
        self.now = BEGIN + passed
        await self.deliveries.tick()

    async def play_hour(self) -> None:
        """Go from one due moment to the next for an hour."""
        while self.deliveries.pending() and self.now < BEGIN + timedelta(hours=1):
            due = min(datetime.fromisoformat(each["due"]) for each in self.deliveries.pending().values())
            await self.at(max(due, self.now) - BEGIN)


def played(world: World, play: Callable[[], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        await play()
        await world.deliveries.close()

    asyncio.run(whole())


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].rpartition(".")[2] for event in events]


def test_the_states_of_a_job_are_delivered_once_and_in_order(tmp_path: Path, subscriber: Any) -> None:
    world = World(tmp_path, subscriber.url)

    async def play() -> None:
        for status in ("NotStarted", "Running", "Running", "Completed"):
            world.job(status)
        await world.at(timedelta(0))
        await world.at(timedelta(hours=2))

    played(world, play)

    assert kinds(subscriber.events) == [*["RunStatusChanged"] * 3, "RunCompleted"]
    statuses = [event["data"].get("runStatus") for event in subscriber.events]
    assert statuses == ["notstarted", "running", "completed", None]
    assert subscriber.events[-1]["source"] == WORKSPACE
    assert subscriber.events[-1]["subject"] == "experiments/train/runs/job-1"
    assert subscriber.events[-1]["specversion"] == "1.0"
    assert subscriber.headers[0]["aeg-subscription-name"] == "MINE"


def test_a_subscriber_that_is_down_for_an_hour_gets_all_events(tmp_path: Path, subscriber: Any) -> None:
    subscriber.status = 503
    world = World(tmp_path, subscriber.url)

    async def play() -> None:
        world.job("Failed")
        await world.play_hour()
        assert not subscriber.events
        attempts = [each["attempts"] for each in world.deliveries.pending().values()]
        assert attempts == [8]
        subscriber.status = 200
        await world.at(timedelta(hours=6))

    played(world, play)

    assert [event["data"]["runStatus"] for event in subscriber.events] == ["failed"]
    assert subscriber.headers[0]["aeg-delivery-count"] == "8"
    assert not world.deliveries.pending()


def test_undeliverable_events_are_dead_lettered_with_the_reason(tmp_path: Path, subscriber: Any) -> None:
    subscriber.status = 500
    place = {"resourceId": "/…/storageAccounts/letters", "blobContainerName": "dead"}
    world = World(
        tmp_path,
        subscriber.url,
        retryPolicy={"maxDeliveryAttempts": 3},
        deadLetterDestination={"endpointType": "StorageBlob", "properties": place},
    )

    async def play() -> None:
        world.job("Failed")
        await world.play_hour()

    played(world, play)

    (file,) = (tmp_path / "blobs" / "letters" / "dead" / "mine" / "2026" / "03" / "02" / "08").iterdir()
    (letter,) = json.loads(file.read_text())
    assert letter["data"]["runStatus"] == "failed"
    assert (letter["deadletterreason"], letter["deliveryattempts"]) == ("MaxDeliveryAttemptsExceeded", 3)
    assert letter["lastdeliveryoutcome"] == "500"
    assert not world.deliveries.pending()


def test_committed_events_are_delivered_by_the_next_process(tmp_path: Path, subscriber: Any) -> None:
    # given a process that ended before the delivery, and another event whose transaction was rolled back
    world = World(tmp_path, subscriber.url)
    world.job("Running")
    try:
        with world.store.transaction():
            world.job("Completed")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        world.store, world.deliveries = world.opened()

    played(world, lambda: world.at(timedelta(0)))

    assert [event["data"]["runStatus"] for event in subscriber.events] == ["running"]


def test_an_unsubscribed_endpoint_gets_no_more_events(tmp_path: Path, subscriber: Any) -> None:
    world = World(tmp_path, subscriber.url)

    async def play() -> None:
        world.job("Running")
        world.store.delete(f"{WORKSPACE}/providers/Microsoft.EventGrid/eventSubscriptions/mine")
        await world.at(timedelta(0))

    played(world, play)

    assert not subscriber.events
    assert not world.deliveries.pending()
