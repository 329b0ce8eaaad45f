"""Cancellation of a run or of one of its jobs, visible to every thread that works for it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import RLock


class Cancellation:
    """A request to stop. It is made once and never withdrawn; cancelling a parent cancels its children."""

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._parent = parent
        # Reentrant: a signal handler may cancel while the very same thread holds the lock.
        self._lock = RLock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether this or a parent was cancelled."""
        return self._cancelled or (self._parent is not None and self._parent.is_cancelled)

    def cancel(self) -> None:
        """Request the stop, and run all callbacks."""
        with self._lock:
            self._cancelled = True
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Generator[None]:
        """Call `callback` if this is cancelled within the block, or at once if it was cancelled before."""
        with self._lock:
            self._callbacks.append(callback)
            cancelled = self._cancelled
        try:
            if cancelled:
                callback()
            if self._parent is None:
                yield
            else:
                with self._parent.on_cancel(callback):
                    yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)
