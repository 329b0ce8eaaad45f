"""Background tasks with an owner: one that fails is logged with its traceback, and a service is started again.

The only place that creates tasks, so that none can end without a word.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from itertools import chain, repeat
from typing import Any, TypeVar

# Seconds before a service that failed starts again.
RESTART_SECONDS = (0.1, 1.0, 5.0, 30.0)
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


def run_once(work: Coroutine[Any, Any, Result], what: str) -> asyncio.Task[Result]:
    """Run `work` as a task; an exception is logged with its traceback as a failure of `what`."""
    task = asyncio.create_task(work, name=what)
    task.add_done_callback(_report)
    return task


def keep_running(service: Callable[[], Awaitable[None]], what: str) -> asyncio.Task[None]:
    """Run a service until it returns or the task is cancelled: after an exception, which is logged, it starts again."""
    return run_once(_restarting(service, what), what)


async def end_all(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end, for an owner that ends before they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _restarting(service: Callable[[], Awaitable[None]], what: str) -> None:
    for pause in chain(RESTART_SECONDS, repeat(RESTART_SECONDS[-1])):
        try:
            await service()
        except Exception:  # noqa: BLE001 - whatever it was: the rest of the emulator depends on the service
            _log.exception("%s failed; it starts again in %g s", what, pause)
            await asyncio.sleep(pause)
        else:
            return


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s failed", task.get_name(), exc_info=error)
