"""Concurrency groups: one holder at a time."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from workflow_replay.cancellation import Cancellation
from workflow_replay.concurrency import ConcurrencyGroups, Superseded


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class ObservedCancellation(Cancellation):
    """Knows that a callback was registered: then its owner waits for the group, or holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.registered = threading.Event()

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Generator[None]:
        with super().on_cancel(callback):
            self.registered.set()
            yield


class Worker(threading.Thread):
    """Holds a group until `leave` is set; created once it waits for the group."""

    def __init__(self, groups: ConcurrencyGroups, name: str, log: list[str], **options: bool) -> None:
        super().__init__(daemon=True)
        self.groups, self.label, self.log, self.options = groups, name, log, options
        self.cancellation = ObservedCancellation()
        self.leave = threading.Event()
        self.start()
        assert self.cancellation.registered.wait(20)

    def run(self) -> None:
        try:
            with self.groups.hold("Group", self.cancellation, **self.options):
                self.log.append(f"{self.label} holds")
                with self.cancellation.on_cancel(self.leave.set):
                    self.leave.wait(20)
        except Superseded:
            self.log.append(f"{self.label} is superseded")


def test_the_newest_replaces_the_one_that_waits() -> None:
    groups, log = ConcurrencyGroups(), []
    first = Worker(groups, "first", log)
    until(lambda: log == ["first holds"])
    second = Worker(groups, "second", log)
    assert second.is_alive()
    third = Worker(groups, "third", log)
    until(lambda: "second is superseded" in log)
    first.leave.set()
    until(lambda: "third holds" in log)
    third.leave.set()
    third.join(20)

    assert log == ["first holds", "second is superseded", "third holds"]
    assert not groups.is_held("group")


def test_the_holder_can_be_cancelled() -> None:
    groups, log = ConcurrencyGroups(), []
    first = Worker(groups, "first", log)
    until(lambda: log == ["first holds"])
    second = Worker(groups, "second", log, cancel_holder=True)
    until(lambda: "second holds" in log)

    assert first.cancellation.is_cancelled
    second.leave.set()
    second.join(20)


def test_all_wait_in_order_if_none_is_replaced() -> None:
    groups, log = ConcurrencyGroups(), []
    workers = [Worker(groups, "0", log, cancel_waiting=False)]
    until(lambda: log == ["0 holds"])
    workers += [Worker(groups, number, log, cancel_waiting=False) for number in ("1", "2")]
    for worker in workers:
        until(lambda worker=worker: f"{worker.label} holds" in log)
        worker.leave.set()

    assert log == ["0 holds", "1 holds", "2 holds"]


def test_a_cancelled_one_never_holds_the_group() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Superseded), ConcurrencyGroups().hold("group", cancellation):
        pytest.fail("entered")
