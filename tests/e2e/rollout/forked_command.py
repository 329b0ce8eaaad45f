"""The `mlops` command in a process forked from one that has imported it: a real process, without the slow start.

Imported by its name from this folder, because the fork server finds it so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def command(arguments: list[str], folder: Path, variables: dict[str, str], log: Path) -> None:
    """Run one command in a folder; the process ends with the command's exit code."""
    from mlops.command_line import run

    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.stdout = sys.stderr = log.open("a", buffering=1)
    os._exit(run(arguments))
