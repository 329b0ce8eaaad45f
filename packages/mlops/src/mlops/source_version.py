"""Which commit the working folder stands at. Git is asked, never changed; without git it is "unknown"."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlops.errors import MachineError
from mlops.git import Repository

UNKNOWN: Final = "unknown"
DIRTY_SUFFIX: Final = "-dirty"


def git_commit(folder: Path) -> str:
    """The full id of HEAD, with "-dirty" unless git says that no tracked file differs from it, or "unknown"."""
    repository = Repository(folder)
    try:
        commit = repository.head()
    except MachineError:
        return UNKNOWN
    try:
        dirty = repository.is_dirty()
    except MachineError:
        dirty = True
    return f"{commit}{DIRTY_SUFFIX}" if dirty else commit
