"""Runs named tasks in the order of their dependencies, in parallel where possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait


def run_in_order(
    dependencies: Mapping[str, Iterable[str]],
    work: Callable[[str], None],
    cancel: Callable[[], None],
    max_parallel: int,
) -> None:
    """Call `work` with each name after its dependencies are done, and otherwise in the order of `dependencies`.

    With `max_parallel` 1 the order is always the same. If a call raises, `cancel` is called, no further work starts,
    and the exception is raised.
    """
    pending = {name: set(remaining) for name, remaining in dependencies.items()}
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=max(max_parallel, 1)) as pool:
        try:
            while pending or running:
                for name in [name for name, remaining in pending.items() if not remaining]:
                    del pending[name]
                    running[pool.submit(work, name)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    for remaining in pending.values():
                        remaining.discard(name)
        except BaseException:
            cancel()
            raise
