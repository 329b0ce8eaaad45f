"""Runs Python files as a person would, one process each, or several in one to save time.

Imported by its plain name: `pythonpath`, pyproject.toml.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Tells a hang from a slow machine.
_HANG_SECONDS: Final = 600
# Runs files one after the other in one process, as if each were started by itself; ends with the first that fails.
_IN_ONE_PROCESS: Final = """
import json, runpy, sys
for file, *words in json.load(sys.stdin):
    sys.argv = [file, *words]
    sys.path.insert(0, file.rpartition("/")[0])
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


def run_script(
    file: Path, *arguments: str, python: Path = Path(sys.executable), modules: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python file arguments`; its output and its exit code. It also imports from the folder `modules`."""
    command = [str(python), str(file), *arguments]
    variables = os.environ if modules is None else {**os.environ, "PYTHONPATH": str(modules)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_HANG_SECONDS, env=dict(variables)
    )


def run_scripts(*scripts: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run several `[file, arguments...]` in one process, which imports what they share once."""
    command, given = [sys.executable, "-c", _IN_ONE_PROCESS], json.dumps(scripts)
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=_HANG_SECONDS)
