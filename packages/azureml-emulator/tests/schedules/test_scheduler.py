"""The scheduler, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.schedules.scheduler import Scheduler
from azureml_emulator.schedules.trigger import Cron, Recurrence, read_trigger

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class World:
    """A scheduler, its clock, and what it started."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.started: list[tuple[str, str]] = []
        self.refusing: set[str] = set()
        self.removed_by: dict[str, str] = {}
        self.done = asyncio.Event()
        self.scheduler = Scheduler(Clock(now=lambda: self.now), self.start)

    async def start(self, key: str, moment: datetime) -> None:
        if key in self.refusing:
            raise BadRequest("its model is gone")
        if key in self.removed_by:
            self.scheduler.remove(self.removed_by[key])
        self.started.append((key, moment.strftime("%H:%M")))
        self.done.set()

    async def at(self, hours: float) -> None:
        self.now = BEGIN + timedelta(hours=hours)
        await self.scheduler.tick()


def hourly(interval: int = 1) -> Recurrence | Cron:
    return read_trigger({"triggerType": "Recurrence", "frequency": "Hour", "interval": interval}, BEGIN)


def played(play: Callable[[World], Coroutine[None, None, None]]) -> World:
    world = World()
    asyncio.run(play(world))
    return world


def test_each_schedule_starts_once_when_it_is_due() -> None:
    async def play(world: World) -> None:
        world.scheduler.put("one", hourly(), BEGIN)
        world.scheduler.put("three", hourly(3), BEGIN)
        for hours in (0.5, 1, 1.5, 2, 3.1):
            await world.at(hours)

    assert played(play).started == [("one", "09:00"), ("one", "10:00"), ("one", "11:00"), ("three", "11:00")]


def test_missed_occurrences_start_one_job() -> None:
    async def play(world: World) -> None:
        world.scheduler.put("one", hourly(), BEGIN)
        await world.at(5.5)
        await world.at(6)

    assert played(play).started == [("one", "09:00"), ("one", "14:00")]


def test_a_new_schedule_may_be_due_at_once_and_a_removed_one_never_is() -> None:
    async def play(world: World) -> None:
        world.scheduler.put("now", hourly(), BEGIN - timedelta.resolution)
        world.scheduler.put("gone", hourly(), BEGIN - timedelta.resolution)
        world.scheduler.remove("gone")
        await world.at(0)

    assert played(play).started == [("now", "08:00")]


def test_a_schedule_that_is_removed_while_one_starts_does_not_start() -> None:
    async def play(world: World) -> None:
        world.removed_by = {"first": "second", "third": "third"}
        for key in ("first", "second", "third"):
            world.scheduler.put(key, hourly(), BEGIN)
        await world.at(1)
        await world.at(2)

    assert played(play).started == [("first", "09:00"), ("third", "09:00"), ("first", "10:00")]


def test_a_schedule_that_cannot_start_its_job_does_not_stop_others() -> None:
    async def play(world: World) -> None:
        world.refusing = {"a"}
        world.scheduler.put("a", hourly(), BEGIN)
        world.scheduler.put("b", hourly(), BEGIN)
        await world.at(1)
        world.refusing = set()
        await world.at(2)

    assert played(play).started == [("b", "09:00"), ("a", "10:00"), ("b", "10:00")]


def test_its_task_wakes_up_for_a_schedule_added_later() -> None:
    async def play(world: World) -> None:
        world.scheduler.open()
        await asyncio.sleep(0)
        world.scheduler.put("now", hourly(), BEGIN - timedelta.resolution)
        await world.done.wait()
        await world.scheduler.close()

    assert played(play).started == [("now", "08:00")]
