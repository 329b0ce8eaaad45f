"""How many threads scikit-learn's OpenMP loops get: one for small data, all of them beyond."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits

# Below this, two threads gain a tenth on an idle machine and lose tenfold on a busy one: growing a tree
# passes thousands of barriers, and at each a thread without a core keeps the others waiting.
SMALL_ROWS = 100_000


def fitting_threads(rows: int) -> AbstractContextManager[object]:
    """Limit OpenMP within a `with` block when there are few rows to fit or score."""
    return threadpool_limits(limits=1 if rows < SMALL_ROWS else None, user_api="openmp")
