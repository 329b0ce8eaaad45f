"""Many waits with the same limit: each that is not done ends in time."""

from __future__ import annotations

import asyncio

import pytest

from azureml_emulator.serving.servers.deadlines import Deadlines

LIMIT = 0.05


def test_a_wait_beyond_the_limit_ends() -> None:
    async def wait() -> tuple[tuple[object, ...], float]:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(LIMIT)
        done, first, second = (loop.create_future() for _ in range(3))
        # when one is done in time, one is late, and one begins later
        for future in (done, first):
            deadlines.watch(future)
        done.set_result("in time")
        await asyncio.sleep(LIMIT / 2)
        began = loop.time()
        deadlines.watch(second)
        ended = await asyncio.gather(done, first, second, return_exceptions=True)
        return ended, loop.time() - began

    ended, took = asyncio.run(wait())
    # then each has its own end, the last one after its own time
    assert ended[0] == "in time"
    assert [type(each) for each in ended[1:]] == [TimeoutError, TimeoutError]
    assert took >= LIMIT


def test_finished_waits_are_not_kept() -> None:
    async def watch() -> int:
        deadlines = Deadlines(60)
        for _ in range(1000):
            future = asyncio.get_running_loop().create_future()
            deadlines.watch(future)
            future.set_result(None)
        return len(deadlines)

    assert asyncio.run(watch()) == 1


@pytest.mark.parametrize("limit", [0.0, 0.01])
def test_a_deadline_after_an_idle_time_is_kept(limit: float) -> None:
    async def wait() -> None:
        deadlines = Deadlines(limit)
        for _ in range(2):
            future = asyncio.get_running_loop().create_future()
            deadlines.watch(future)
            await future

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
