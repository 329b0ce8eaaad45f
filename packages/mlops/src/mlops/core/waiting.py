"""How often to look whether something is done: often at first, then in proportion to the time it has taken.

Nobody waits much longer than needed, and a long operation is not asked about thousands of times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

SHORTEST_PAUSE_SECONDS = 0.15
LONGEST_PAUSE_SECONDS = 10.0
PAUSE_SHARE_OF_ELAPSED = 0.04


def pause_after(elapsed: float) -> float:
    """Seconds to wait before looking again, `elapsed` seconds after the start."""
    return min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, elapsed * PAUSE_SHARE_OF_ELAPSED))


def poll() -> Iterator[float]:
    """Yield the seconds since the first look, pausing between looks."""
    begun = time.monotonic()
    while True:
        elapsed = time.monotonic() - begun
        yield elapsed
        time.sleep(pause_after(elapsed))
