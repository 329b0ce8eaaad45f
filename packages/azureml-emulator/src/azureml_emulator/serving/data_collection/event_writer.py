"""Writes collected events: queues them without blocking, and appends them to files in batches.

A request never waits for this and never fails because of it: events that exceed the queue are dropped and counted. The
oldest files of a deployment are deleted when it has collected more than its limit.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import RandomSource
from azureml_emulator.serving.data_collection.collector_config import REQUEST, RESPONSE, CollectedEvent, CollectorConfig

PENDING_EVENTS = 10_000
PENDING_BYTES = 64 * 1024 * 1024
BATCH_SECONDS = 0.2
_CHECKS_PER_LIMIT = 16
_FOLDER_MODE = 0o700
_log = logging.getLogger(__name__)


class Collector:
    """The collections of one deployment while it serves."""

    def __init__(
        self, config: CollectorConfig, source: str, folders: dict[str, Path], instance: str, sink: EventWriter
    ) -> None:
        self.config = config
        self.collected = 0
        self.dropped = 0
        self._source = source
        self._folders = folders
        self._instance = instance
        self._sink = sink
        rates = {
            name: config.collections[name].sampling_rate for name in (REQUEST, RESPONSE) if name in config.collections
        }
        self._payload_rates = rates
        # So that the first batch looks at what earlier servers of the deployment collected.
        self._unchecked = sys.maxsize

    @property
    def collects_payloads(self) -> bool:
        """Whether the router has to collect requests or responses."""
        return bool(self._payload_rates)

    def collect_payloads(
        self,
        target: str,
        method: str,
        request_id: str,
        request: bytes,
        response: bytes,
        random_source: RandomSource = random.random,
    ) -> None:
        """Collect one request and its response. A single draw decides for both, so that they can be joined later."""
        drawn = random_source()
        identity = {"correlationid": request_id, "xrequestid": request_id}
        now = datetime.now(UTC)
        parts = ((REQUEST, request, {"path": target, "method": method, **identity}), (RESPONSE, response, identity))
        for name, body, attributes in parts:
            if drawn < self._payload_rates.get(name, 0.0):
                self.collect(CollectedEvent(name, now, attributes, body))

    def collect(self, event: CollectedEvent) -> None:
        """Collect one event, or drop it when the queue is full."""
        if self._sink.offer(self, event):
            self.collected += 1
        else:
            self.dropped += 1

    def document(self) -> dict[str, int]:
        """How many events were collected, and how many were dropped."""
        return {"events": self.collected, "dropped": self.dropped}

    def file(self, event: CollectedEvent) -> Path:
        """The file for an event."""
        return self._folders[event.collection] / self.config.folder(event.moment) / f"{self._instance}.jsonl"

    def trim(self, added: int, limit: int) -> None:
        """After `added` bytes: delete the oldest files of the deployment while all have more than `limit`. Blocking.

        The newest file stays. Names of files begin with their date, so that their order is that of time.
        """
        self._unchecked += added
        if self._unchecked < limit // _CHECKS_PER_LIMIT:
            return
        self._unchecked = 0
        files = sorted(
            (file.relative_to(folder), file)
            for folder in set(self._folders.values())
            for file in folder.rglob("*.jsonl")
            if file.is_file()
        )
        size = sum(file.stat().st_size for _, file in files)
        for _, file in files[:-1]:
            if size <= limit:
                return
            size -= file.stat().st_size
            file.unlink()
            _log.warning("deleted %s: the deployment has collected more than %d bytes", file, limit)

    def line(self, event: CollectedEvent) -> bytes:
        """The event as a line of its file."""
        return event.line(self._source)


class EventWriter:
    """The queue of events of all deployments."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[tuple[Collector, CollectedEvent]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def offer(self, collector: Collector, event: CollectedEvent) -> bool:
        """Queue an event to be written soon. Returns False when the queue is full."""
        if len(self._waiting) >= PENDING_EVENTS or self._bytes + len(event.body) > PENDING_BYTES:
            return False
        self._waiting.append((collector, event))
        self._bytes += len(event.body)
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._begin)
        return True

    async def stop(self) -> None:
        """Write the queued events."""
        if self._writing is not None:
            await self._writing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._write()

    def _begin(self) -> None:
        self._timer = None
        self._writing = run_once(self._write(), "writing collected data")
        self._writing.add_done_callback(self._written)

    def _written(self, _: asyncio.Task[None]) -> None:
        self._writing = None
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._begin)

    async def _write(self) -> None:
        batch, self._waiting, self._bytes = self._waiting, [], 0
        lost = await asyncio.to_thread(_append, batch, self._limit)
        for collector, count in lost.items():
            collector.collected -= count
            collector.dropped += count


def _append(batch: list[tuple[Collector, CollectedEvent]], limit: int) -> dict[Collector, int]:
    """Append the events to their files. Returns how many could not be written, by collector."""
    lines: dict[tuple[Collector, Path], list[bytes]] = defaultdict(list)
    for collector, event in batch:
        lines[collector, collector.file(event)].append(collector.line(event) + b"\n")
    lost: dict[Collector, int] = defaultdict(int)
    for (collector, file), texts in lines.items():
        try:
            file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            with file.open("ab") as stream:
                stream.write(text := b"".join(texts))
            collector.trim(len(text), limit)
        except OSError as error:
            _log.warning("%d collected events were not written to %s: %s", len(texts), file, error)
            lost[collector] += len(texts)
    return lost
