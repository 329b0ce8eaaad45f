"""What the callers of an endpoint have met: every answer, by who gave it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

OK = 200
NO_ANSWER = 0
# Tells a hang from a machine that has much to do.
PATIENCE_SECONDS = 120.0


class Answer(NamedTuple):
    """One answer: when it came, in seconds of the epoch, and how long it took; status 0 and "-" where none did."""

    when: float
    status: int
    deployment: str
    seconds: float


@dataclass
class Callers:
    """What the callers have met so far."""

    file: Path

    @property
    def answers(self) -> list[Answer]:
        """Every answer, as they came."""
        lines = [line.split(" ") for line in self.file.read_text().splitlines() if line.count(" ") == 3]
        return [Answer(float(when), int(status), name, float(took)) for when, status, name, took in lines]

    @property
    def failures(self) -> Counter[tuple[int, str]]:
        """How often what failed, by status and deployment."""
        return Counter((each.status, each.deployment) for each in self.answers if each.status != OK)

    @property
    def per_second(self) -> float:
        """The rate that was kept."""
        times = [each.when for each in self.answers]
        return len(times) / max(1e-9, max(times) - min(times))

    def wait_for(self, wanted: Callable[[Answer], bool]) -> None:
        """Wait until somebody was answered like that."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not any(wanted(each) for each in self.answers):
            assert time.monotonic() < until, "nobody was answered as expected"
            time.sleep(0.1)

    def wait_until_served(self) -> float:
        """Wait until requests that are asked from now on are answered, and those under way have ended; since when."""
        now = time.time()
        self.wait_for(lambda each: each.status == OK and each.when - each.seconds > now)
        return time.time()

    def failed_at(self, deployment: str) -> int:
        """How many requests failed at one deployment, once callers are served again.

        Fails when any failed elsewhere, or when callers are not served.
        """
        self.wait_until_served()
        failures = self.failures
        elsewhere = {place: count for place, count in failures.items() if place[1] != deployment}
        assert not elsewhere, elsewhere
        return failures.total()


@contextmanager
def counted(process: ForkServerProcess, file: Path) -> Generator[Callers]:
    """Let a process that was started call, which writes its answers to `file`, until the block ends."""
    try:
        while not (file.exists() and file.stat().st_size):
            assert process.is_alive(), "the callers ended"
            time.sleep(0.02)
        yield Callers(file)
        assert process.is_alive(), "the callers ended"
    finally:
        process.terminate()
        process.join()
