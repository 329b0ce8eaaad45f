"""Groups in which only one may work at a time, and only one may wait: GitHub's concurrency; Azure's exclusive locks.

Runs that are to see each other share one Queues.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition

from workflow_replay.stopping import Cancellation


class Superseded(Exception):
    """Somebody newer took the place in the queue, or the wait was cancelled; the text says which."""


@dataclass
class _Group:
    working: Cancellation | None = None
    waiting: list[Cancellation] = field(default_factory=list)


class Queues:
    """All groups by name, whatever their case."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._groups: dict[str, _Group] = {}

    @contextmanager
    def place(
        self, name: str, cancellation: Cancellation, *, cancels_working: bool = False, cancels_waiting: bool = True
    ) -> Generator[None]:
        """Hold a group within the block, after waiting for it.

        Who waits already is told to cancel when `cancels_waiting`, who works when `cancels_working`; else all wait in
        the order in which they came. Raises Superseded when `cancellation` comes up while waiting.
        """
        with self._condition:
            group = self._groups.setdefault(name.lower(), _Group())
            stopped = list(group.waiting) if cancels_waiting and group.working is not None else []
            if cancels_working and group.working is not None:
                stopped.append(group.working)
            group.waiting.append(cancellation)
        for other in stopped:
            other.cancel()
        self._wait(group, name, cancellation)
        try:
            yield
        finally:
            with self._condition:
                group.working = None
                self._condition.notify_all()

    def is_taken(self, name: str) -> bool:
        """Whether somebody works in a group."""
        with self._condition:
            group = self._groups.get(name.lower())
            return group is not None and group.working is not None

    def _wait(self, group: _Group, name: str, cancellation: Cancellation) -> None:
        with cancellation.told(self._wake), self._condition:
            while not cancellation.is_cancelled and (group.working is not None or group.waiting[0] is not cancellation):
                self._condition.wait()
            group.waiting.remove(cancellation)
            self._condition.notify_all()
            if cancellation.is_cancelled:
                raise Superseded(f"cancelled while it waited for {name!r}")
            group.working = cancellation

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
