"""The folder in which a run keeps its clones, artifacts and temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path | None) -> Generator[Path]:
    """A new folder in `parent`, which stays, or for None one that is deleted when the block ends."""
    if parent is not None:
        yield Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        return
    with tempfile.TemporaryDirectory(prefix="replay-", ignore_cleanup_errors=True) as name:
        yield Path(name)
