"""Groups in which one works at a time."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from workflow_replay.queues import Queues, Superseded
from workflow_replay.stopping import Cancellation


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class InLine(Cancellation):
    """Knows that somebody listens to it: who does has its place in the line, or works."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    @contextmanager
    def told(self, listener: Callable[[], None]) -> Generator[None]:
        with super().told(listener):
            self.heard.set()
            yield


class Worker(threading.Thread):
    """Takes a place, notes that, and leaves when it is let go; made once it stands in line."""

    def __init__(self, queues: Queues, name: str, log: list[str], **how: bool) -> None:
        super().__init__(daemon=True)
        self.queues, self.label, self.log, self.how = queues, name, log, how
        self.cancellation = InLine()
        self.leave = threading.Event()
        self.start()
        assert self.cancellation.heard.wait(20)

    def run(self) -> None:
        try:
            with self.queues.place("Group", self.cancellation, **self.how):
                self.log.append(f"{self.label} works")
                with self.cancellation.told(self.leave.set):
                    self.leave.wait(20)
        except Superseded:
            self.log.append(f"{self.label} is gone")


def test_the_newest_replaces_who_waits() -> None:
    queues, log = Queues(), []
    first = Worker(queues, "first", log)
    until(lambda: log == ["first works"])
    second = Worker(queues, "second", log)
    assert second.is_alive()
    third = Worker(queues, "third", log)
    until(lambda: "second is gone" in log)
    first.leave.set()
    until(lambda: "third works" in log)
    third.leave.set()
    third.join(20)

    assert log == ["first works", "second is gone", "third works"]
    assert not queues.is_taken("group")


def test_who_works_can_be_told_to_go() -> None:
    queues, log = Queues(), []
    first = Worker(queues, "first", log)
    until(lambda: log == ["first works"])
    second = Worker(queues, "second", log, cancels_working=True)
    until(lambda: "second works" in log)

    assert first.cancellation.is_cancelled
    second.leave.set()
    second.join(20)


def test_all_wait_in_their_order_where_nobody_is_replaced() -> None:
    queues, log = Queues(), []
    workers = [Worker(queues, "0", log, cancels_waiting=False)]
    until(lambda: log == ["0 works"])
    workers += [Worker(queues, number, log, cancels_waiting=False) for number in ("1", "2")]
    for worker in workers:
        until(lambda worker=worker: f"{worker.label} works" in log)
        worker.leave.set()

    assert log == ["0 works", "1 works", "2 works"]


def test_who_is_cancelled_does_not_get_in() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Superseded), Queues().place("group", cancellation):
        pytest.fail("nobody should be here")
