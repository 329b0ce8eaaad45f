"""Runs Python files as a person would, one process each. Imported by its plain name: `pythonpath`, pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

# Tells a hang from a slow machine.
_HANG_SECONDS: Final = 600


def run_script(
    file: Path, *arguments: str, python: Path = Path(sys.executable), modules: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python file arguments`; its output and its exit code. It also imports from the folder `modules`."""
    command = [str(python), str(file), *arguments]
    variables = os.environ if modules is None else {**os.environ, "PYTHONPATH": str(modules)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_HANG_SECONDS, env=dict(variables)
    )
