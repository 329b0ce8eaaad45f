"""Starts what is due: one task that sleeps until the next occurrence of any schedule. Knows no resources, no jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.schedules.occurrences import next_occurrence
from azureml_emulator.schedules.trigger import Cron, Recurrence

# The clock may jump, for example when a laptop wakes up, so it is checked at least this often.
_MAX_SLEEP = timedelta(seconds=30)
_log = logging.getLogger(__name__)

Start = Callable[[str, datetime], Awaitable[None]]


@dataclass
class _Entry:
    trigger: Recurrence | Cron
    due: datetime | None


class Scheduler:
    """The enabled schedules by key. `start` is called with a key and the time that was due.

    Of several occurrences that were missed while the machine slept, one is made up for.
    """

    def __init__(self, clock: Clock, start: Start) -> None:
        self._clock = clock
        self._start = start
        self._entries: dict[str, _Entry] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, key: str, trigger: Recurrence | Cron, after: datetime) -> None:
        """Add or replace a schedule, from its first occurrence after `after` on."""
        self._entries[key] = _Entry(trigger, next_occurrence(trigger, after))
        self._changed.set()

    def remove(self, key: str) -> None:
        """Remove a schedule; no error for an unknown one."""
        self._entries.pop(key, None)

    def due(self, key: str) -> datetime | None:
        """When a schedule runs next, or None."""
        entry = self._entries.get(key)
        return entry.due if entry is not None else None

    def open(self) -> None:
        """Start the task."""
        self._task = keep_running(self._run, "the scheduler")

    async def close(self) -> None:
        """Stop the task; jobs that it started continue."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> None:
        """Start everything that is due now."""
        now = self._clock.now()
        for key, entry in list(self._entries.items()):
            # Another start may have taken long enough for this schedule to be removed or replaced.
            if self._entries.get(key) is not entry or entry.due is None or entry.due > now:
                continue
            moment, entry.due = entry.due, next_occurrence(entry.trigger, now)
            try:
                await self._start(key, moment)
            except EmulatorError as error:
                _log.warning("the schedule %s could not start its job: %s", key, error.message)

    async def _run(self) -> None:
        while True:
            await self.tick()
            self._changed.clear()
            try:
                async with asyncio.timeout(self._pause().total_seconds()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _pause(self) -> timedelta:
        moments = [entry.due for entry in self._entries.values() if entry.due is not None]
        left = min(moments, default=self._clock.now() + _MAX_SLEEP) - self._clock.now()
        return min(max(left, timedelta(0)), _MAX_SLEEP)
