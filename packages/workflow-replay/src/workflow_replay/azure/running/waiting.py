"""Work in the order in which it may begin: each piece after all that it waits for, side by side where it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait


def in_order(
    waits: Mapping[str, Iterable[str]], work: Callable[[str], None], give_up: Callable[[], None], most_at_once: int
) -> None:
    """Do each named piece of work once all that it waits for is done; the names in order where nothing else decides.

    So with one at once, the order is always the same. When one raises, `give_up` is called at once, nothing more
    begins, and the exception comes out.
    """
    open_names = {name: set(before) for name, before in waits.items()}
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=max(most_at_once, 1)) as pool:
        try:
            while open_names or running:
                for name in [name for name, before in open_names.items() if not before]:
                    del open_names[name]
                    running[pool.submit(work, name)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    for before in open_names.values():
                        before.discard(name)
        except BaseException:
            give_up()
            raise
