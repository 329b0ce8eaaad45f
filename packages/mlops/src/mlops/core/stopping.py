"""Ctrl-C and termination as a wish to stop, so that what runs can put things right before it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from mlops.core.errors import Interrupted, MlopsError, Terminated

_WORDS: Final = {signal.SIGINT: "interrupted (Ctrl-C)", signal.SIGTERM: "told to end (SIGTERM)"}


class Stop:
    """Whether somebody wants an end, and in which words."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self._then = then
        self._asked = threading.Event()
        self._signal: signal.Signals | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop; None to go on."""
        return _WORDS[self._signal] if self._signal is not None else None

    def pause(self, seconds: float) -> None:
        """Wait; a wish to stop ends the wait at once, one that was heard already does not."""
        if self._asked.wait(seconds):
            self._asked.clear()

    def error(self, message: str, advice: str) -> MlopsError:
        """The error that ends the command with the exit code of the signal."""
        kind = Terminated if self._signal is signal.SIGTERM else Interrupted
        return kind(message, advice)

    def ask(self, number: int, _: FrameType | None = None) -> None:
        """Note the wish: a signal handler."""
        self._signal = signal.Signals(number)
        self._asked.set()
        if self._then is not None:
            self._then()


@contextmanager
def stop_signals(then: Callable[[], None] | None = None) -> Generator[Stop]:
    """Hear SIGINT and SIGTERM inside; elsewhere than in the main thread nobody can send any.

    `then` is called from the signal handler: between any two steps of the main thread.
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
