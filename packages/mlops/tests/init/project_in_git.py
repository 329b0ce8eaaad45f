"""Git in a project under test, and how it is initialised."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from mlops.init.result import InitResult

Init = Callable[..., InitResult]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", "change")
