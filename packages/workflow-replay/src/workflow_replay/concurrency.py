"""Concurrency groups: one holder at a time, the others wait. GitHub's `concurrency`, Azure's exclusive locks.

Runs that should see each other share one ConcurrencyGroups.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition

from workflow_replay.cancellation import Cancellation


class Superseded(Exception):
    """The wait for a group was cancelled, for example by a newer run."""


@dataclass
class _Group:
    holder: Cancellation | None = None
    waiting: list[Cancellation] = field(default_factory=list)


class ConcurrencyGroups:
    """All groups by name; names are case-insensitive."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._groups: dict[str, _Group] = {}

    @contextmanager
    def hold(
        self, name: str, cancellation: Cancellation, *, cancel_holder: bool = False, cancel_waiting: bool = True
    ) -> Generator[None]:
        """Wait for a group, and hold it within the block.

        `cancel_waiting` cancels those that wait for a held group already, `cancel_holder` the one that holds it.
        Otherwise all wait in the order of their arrival. Raises Superseded if `cancellation` is cancelled meanwhile.
        """
        with self._condition:
            group = self._groups.setdefault(name.lower(), _Group())
            cancelled = list(group.waiting) if cancel_waiting and group.holder is not None else []
            if cancel_holder and group.holder is not None:
                cancelled.append(group.holder)
            group.waiting.append(cancellation)
        for other in cancelled:
            other.cancel()
        self._wait(group, name, cancellation)
        try:
            yield
        finally:
            with self._condition:
                group.holder = None
                self._condition.notify_all()

    def is_held(self, name: str) -> bool:
        """Whether a group has a holder."""
        with self._condition:
            group = self._groups.get(name.lower())
            return group is not None and group.holder is not None

    def _wait(self, group: _Group, name: str, cancellation: Cancellation) -> None:
        with cancellation.on_cancel(self._wake), self._condition:
            while not cancellation.is_cancelled and (group.holder is not None or group.waiting[0] is not cancellation):
                self._condition.wait()
            group.waiting.remove(cancellation)
            self._condition.notify_all()
            if cancellation.is_cancelled:
                raise Superseded(f"cancelled while it waited for {name!r}")
            group.holder = cancellation

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
