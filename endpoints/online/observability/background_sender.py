"""Sends what is recorded of requests in the background: a bounded queue, one thread, batches; the overflow is dropped.

A request pays for a sampling decision and an append, never for the delivery, which is the sink's business
(azure_collector.py, tracing.py). Losses are counted, passed to a callback, and logged at most once per minute.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

MAX_QUEUED_REQUESTS = 10_000
MAX_QUEUED_BYTES = 32 * 1024 * 1024
BATCH_SECONDS = 1.0
SECONDS_BETWEEN_WARNINGS = 60.0

log = logging.getLogger("observability")


class Item(Protocol):
    """What is queued of one request."""

    @property
    def size(self) -> int:
        """Bytes it takes in memory."""
        ...

    @property
    def units(self) -> int:
        """How many rows or traces it holds."""
        ...


class Losses(NamedTuple):
    """What was lost since the start: requests that did not fit, units the sink refused, messages never delivered."""

    dropped: int
    refused: int
    undelivered: int


NO_LOSSES = Losses(0, 0, 0)
OnLoss = Callable[[Losses], None]
AnyItem = TypeVar("AnyItem", bound=Item)
SentItem = TypeVar("SentItem", bound=Item, contravariant=True)


def ignore_losses(losses: Losses) -> None:
    """Leave losses to the log."""


class Sink(Protocol[SentItem]):
    """Where batches go."""

    def send(self, batch: Sequence[SentItem]) -> int:
        """Send a batch; returns how many of its units were refused."""
        ...

    def delivery_failures(self) -> tuple[int, str]:
        """How many messages were accepted and lost later, and why the last one was lost."""
        ...


class BackgroundSender(Generic[AnyItem]):
    """Samples requests at a rate (0 to 1) and sends them in batches. Safe to use from several threads.

    `sent` counts units that the sink accepted, `refused` those it did not, `dropped` requests that did not fit.
    `name` and `unit` are plural nouns for the log ("traces", "rows").
    """

    def __init__(
        self,
        sink: Sink[AnyItem],
        sampling_rate: float,
        draw: Callable[[], float] = random.random,
        *,
        name: str,
        unit: str,
        on_loss: OnLoss = ignore_losses,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        self._batch_seconds = batch_seconds
        self.sent = self.dropped = self.refused = 0
        self._sink = sink
        self._sampling_rate = sampling_rate
        self._draw = draw
        self._name = name
        self._unit = unit
        self._on_loss = on_loss
        self._lock = threading.Lock()
        self._queue: list[AnyItem] = []
        self._queued_bytes = 0
        self._has_items = threading.Event()
        self._logged = NO_LOSSES
        self._next_warning_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def is_sampled(self) -> bool:
        """Whether to record the current request. One draw decides for its inputs and its outputs."""
        return self._sampling_rate >= 1 or self._draw() < self._sampling_rate

    def enqueue(self, item: AnyItem) -> None:
        """Queue an item, or count its request as dropped. Never waits, never raises."""
        with self._lock:
            if len(self._queue) >= MAX_QUEUED_REQUESTS or self._queued_bytes + item.size > MAX_QUEUED_BYTES:
                self.dropped += 1
                return
            self._queue.append(item)
            self._queued_bytes += item.size
        if not self._has_items.is_set():
            self._has_items.set()

    def close(self, seconds: float) -> None:
        """Send what is queued, and end; waits for at most so many seconds."""
        self._closing.set()
        self._has_items.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._has_items.wait()
            # What arrives meanwhile travels in the same batch: a message costs more than a row.
            self._closing.wait(self._batch_seconds)
            self._has_items.clear()
            with self._lock:
                batch, self._queue, self._queued_bytes = self._queue, [], 0
            if batch:
                self._deliver(batch)

    def _deliver(self, batch: list[AnyItem]) -> None:
        refused = self._sink.send(batch)
        self.refused += refused
        self.sent += sum(item.units for item in batch) - refused
        undelivered, reason = self._sink.delivery_failures()
        losses = Losses(self.dropped, self.refused, undelivered)
        self._on_loss(losses)
        self._warn(losses, reason)

    def _warn(self, losses: Losses, reason: str) -> None:
        if losses == self._logged or time.monotonic() < self._next_warning_at:
            return
        self._logged, self._next_warning_at = losses, time.monotonic() + SECONDS_BETWEEN_WARNINGS
        log.warning(
            "lost some %s, scoring continues; since the start: %d %s sent, %d requests dropped because the queue "
            "was full, %d %s refused, %d messages not delivered%s",
            self._name,
            self.sent,
            self._unit,
            losses.dropped,
            losses.refused,
            self._unit,
            losses.undelivered,
            f" (last: {reason})" if reason else "",
        )
