"""Which commit the working folder stands at. Git is asked, never changed; without git it is "unknown"."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"
DIRTY_SUFFIX: Final = "-dirty"
_TIMEOUT_SECONDS: Final = 10


def git_commit(folder: Path) -> str:
    """The full id of HEAD, with "-dirty" when tracked files differ from it, or "unknown"."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return UNKNOWN
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit if changes == "" else f"{commit}{DIRTY_SUFFIX}"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
