"""A request to stop that reaches whoever works: asked before each step, and told to what runs just then."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import RLock


class Cancellation:
    """Somebody's wish that a run, or one job of it, ends; made once, never taken back."""

    def __init__(self, above: Cancellation | None = None) -> None:
        self._above = above
        # A signal handler may cancel while the very same thread is in here.
        self._lock = RLock()
        self._cancelled = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether this, or what is above it, is to end."""
        return self._cancelled or (self._above is not None and self._above.is_cancelled)

    def cancel(self) -> None:
        """Ask to end, and tell all who listen."""
        with self._lock:
            self._cancelled = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    @contextmanager
    def told(self, listener: Callable[[], None]) -> Generator[None]:
        """Call `listener` when the wish comes up within the block, and at once when it is there already."""
        with self._lock:
            self._listeners.append(listener)
            now = self._cancelled
        try:
            if now:
                listener()
            if self._above is None:
                yield
            else:
                with self._above.told(listener):
                    yield
        finally:
            with self._lock:
                self._listeners.remove(listener)
