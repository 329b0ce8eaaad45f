"""A copy of this project as a repository of its own, as "Use this template" makes one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[4]


def git(folder: Path, *words: str) -> str:
    """What git says; it must succeed."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_project(folder: Path, *, without: tuple[str, ...], remote: str | None = None) -> Path:
    """Commit the project's files, except those whose path begins with one of `without`, in a new repository."""
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and not name.startswith(without) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    if remote:
        git(folder, "remote", "add", "origin", remote)
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", "Use this template")
    return folder
