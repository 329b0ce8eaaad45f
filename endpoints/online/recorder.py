"""Takes what was seen off the callers' hands: a bounded queue, one thread, batches; what does not fit is dropped.

A request pays for a draw and an append, never for what is behind: how batches travel is the sink's business
(azure_collector.py, tracing.py). What was lost is counted, told, and said in the log once a minute at most.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from scorer import ScoredRows

WAITING_REQUESTS = 10_000
WAITING_BYTES = 32 * 1024 * 1024
BATCH_SECONDS = 1.0
COMPLAIN_EVERY_SECONDS = 60.0

log = logging.getLogger("collection")


class Item(Protocol):
    """What is kept of one request."""

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        ...

    @property
    def units(self) -> int:
        """How many of what is counted it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """One answered request: its id, when it was (seconds of the epoch), and its rows."""

    correlation_id: str
    moment: float
    rows: ScoredRows

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return self.rows.features.nbytes + self.rows.probability.nbytes

    @property
    def units(self) -> int:
        """How many rows it has."""
        return len(self.rows.probability)


class Words(NamedTuple):
    """How the log calls what is kept, and what is counted of it."""

    what: str
    units: str


class Lost(NamedTuple):
    """What was lost since the start: requests that did not fit, units not taken, messages not delivered."""

    dropped: int
    refused: int
    undelivered: int


COLLECTED = Words("collected data", "rows")
NOTHING_LOST = Lost(0, 0, 0)
Told = Callable[[Lost], None]
AnyItem = TypeVar("AnyItem", bound=Item)
Taken = TypeVar("Taken", bound=Item, contravariant=True)


def tell_nobody(lost: Lost) -> None:
    """What is lost is in the log, and nowhere else."""


class Sink(Protocol[Taken]):
    """Where batches go."""

    def send(self, batch: Sequence[Taken]) -> int:
        """Take a batch; how many of its units could not be taken."""
        ...

    def losses(self) -> tuple[int, str]:
        """How many messages were taken and lost later, and what was said of the last one."""
        ...


class Recorder(Generic[AnyItem]):
    """Keeps a share (0 to 1) of the requests. Safe to use from several threads.

    `units` were handed on, `dropped` requests did not fit, `refused` units were not taken by the sink.
    """

    def __init__(
        self,
        sink: Sink[AnyItem],
        share: float,
        chance: Callable[[], float] = random.random,
        *,
        words: Words = COLLECTED,
        tell: Told = tell_nobody,
    ) -> None:
        self.units = self.dropped = self.refused = 0
        self._sink = sink
        self._share = share
        self._chance = chance
        self._words = words
        self._tell = tell
        self._lock = threading.Lock()
        self._waiting: list[AnyItem] = []
        self._bytes = 0
        self._something = threading.Event()
        self._said = NOTHING_LOST
        self._say_again_at = 0.0
        threading.Thread(target=self._work, name=words.what, daemon=True).start()

    def drawn(self) -> bool:
        """Whether the request at hand is among those to keep. One draw decides for its inputs and its outputs."""
        return self._share >= 1 or self._chance() < self._share

    def keep(self, item: AnyItem) -> None:
        """Keep a request, or count it as dropped. Never waits, never raises."""
        with self._lock:
            if len(self._waiting) >= WAITING_REQUESTS or self._bytes + item.size > WAITING_BYTES:
                self.dropped += 1
                return
            self._waiting.append(item)
            self._bytes += item.size
        if not self._something.is_set():
            self._something.set()

    def _work(self) -> None:
        while True:
            self._something.wait()
            # What comes meanwhile travels with it: a message costs more than a row.
            time.sleep(BATCH_SECONDS)
            self._something.clear()
            with self._lock:
                batch, self._waiting, self._bytes = self._waiting, [], 0
            refused = self._sink.send(batch)
            self.refused += refused
            self.units += sum(item.units for item in batch) - refused
            messages, reason = self._sink.losses()
            lost = Lost(self.dropped, self.refused, messages)
            self._tell(lost)
            self._complain(lost, reason)

    def _complain(self, lost: Lost, reason: str) -> None:
        if lost == self._said or time.monotonic() < self._say_again_at:
            return
        self._said, self._say_again_at = lost, time.monotonic() + COMPLAIN_EVERY_SECONDS
        log.warning(
            "%s was lost, scoring goes on; since the start: %d %s handed on, %d requests dropped "
            "because too much waited, %d %s refused, %d messages not delivered%s",
            self._words.what,
            self.units,
            self._words.units,
            lost.dropped,
            lost.refused,
            self._words.units,
            lost.undelivered,
            f" (last: {reason})" if reason else "",
        )
