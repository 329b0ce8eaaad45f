"""Polling with pauses, and stopping cleanly on Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from mlops.core.errors import Interrupted, MlopsError, Terminated

_WORDS: Final = {signal.SIGINT: "interrupted (Ctrl-C)", signal.SIGTERM: "terminated (SIGTERM)"}


class Stop:
    """Whether a signal asked the command to stop, and which."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self._then = then
        self._asked = threading.Event()
        self._signal: signal.Signals | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop; None to continue."""
        return _WORDS[self._signal] if self._signal is not None else None

    def pause(self, seconds: float) -> None:
        """Wait; a signal ends the wait at once, one received earlier does not."""
        if self._asked.wait(seconds):
            self._asked.clear()

    def error(self, message: str, advice: str) -> MlopsError:
        """The error that ends the command with the exit code of the signal."""
        kind = Terminated if self._signal is signal.SIGTERM else Interrupted
        return kind(message, advice)

    def ask(self, number: int, _: FrameType | None = None) -> None:
        """Record the signal: a signal handler."""
        self._signal = signal.Signals(number)
        self._asked.set()
        if self._then is not None:
            self._then()


@contextmanager
def stop_signals(then: Callable[[], None] | None = None) -> Generator[Stop]:
    """Handle SIGINT and SIGTERM inside; outside the main thread Python cannot install handlers.

    `then` is called from the signal handler: between any two instructions of the main thread.
    """
    stop = Stop(then)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in _WORDS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SHORTEST_PAUSE_SECONDS = 0.15
LONGEST_PAUSE_SECONDS = 10.0
PAUSE_SHARE_OF_ELAPSED = 0.04


def pause_after(elapsed: float) -> float:
    """Seconds to wait before the next poll, `elapsed` seconds after the start."""
    return min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, elapsed * PAUSE_SHARE_OF_ELAPSED))


def poll() -> Iterator[float]:
    """Yield the seconds since the first poll, pausing between polls."""
    begun = time.monotonic()
    while True:
        elapsed = time.monotonic() - begun
        yield elapsed
        time.sleep(pause_after(elapsed))
