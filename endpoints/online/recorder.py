"""Takes what was scored off the callers' hands: a bounded queue, one thread, batches; what does not fit is dropped.

A request pays for a draw and an append, never for the storage behind: how batches travel is azure_collector.py's
business. What was lost is counted, and said in the log once a minute at most.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scorer import ScoredRows

WAITING_REQUESTS = 10_000
WAITING_BYTES = 32 * 1024 * 1024
BATCH_SECONDS = 1.0
COMPLAIN_EVERY_SECONDS = 60.0

log = logging.getLogger("collection")


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


class Sink(Protocol):
    """Where batches go."""

    def send(self, batch: Sequence[Scored]) -> int:
        """Take a batch; how many of its rows could not be taken."""
        ...

    def losses(self) -> tuple[int, str]:
        """How many messages were taken and lost later, and what was said of the last one."""
        ...


class Recorder:
    """Keeps a share (0 to 1) of the requests. Safe to use from several threads.

    `rows` were handed on, `dropped` requests did not fit, `refused` rows were not taken by the sink.
    """

    def __init__(self, sink: Sink, share: float, chance: Callable[[], float] = random.random) -> None:
        self.rows = self.dropped = self.refused = 0
        self._sink = sink
        self._share = share
        self._chance = chance
        self._lock = threading.Lock()
        self._waiting: list[Scored] = []
        self._bytes = 0
        self._something = threading.Event()
        self._said = (0, 0, 0)
        self._say_again_at = 0.0
        threading.Thread(target=self._work, name="collection", daemon=True).start()

    def drawn(self) -> bool:
        """Whether the request at hand is among those to keep. One draw decides for its inputs and its outputs."""
        return self._share >= 1 or self._chance() < self._share

    def keep(self, scored: Scored) -> None:
        """Keep a request, or count it as dropped. Never waits, never raises."""
        with self._lock:
            if len(self._waiting) >= WAITING_REQUESTS or self._bytes + scored.size > WAITING_BYTES:
                self.dropped += 1
                return
            self._waiting.append(scored)
            self._bytes += scored.size
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
            self.rows += sum(len(scored.rows.probability) for scored in batch) - refused
            self._complain()

    def _complain(self) -> None:
        messages, reason = self._sink.losses()
        lost = (self.dropped, self.refused, messages)
        if lost == self._said or time.monotonic() < self._say_again_at:
            return
        self._said, self._say_again_at = lost, time.monotonic() + COMPLAIN_EVERY_SECONDS
        log.warning(
            "collected data was lost, scoring goes on; since the start: %d rows handed on, %d requests dropped "
            "because too much waited, %d rows refused by the collector, %d messages not delivered%s",
            self.rows,
            self.dropped,
            self.refused,
            messages,
            f" (last: {reason})" if reason else "",
        )
