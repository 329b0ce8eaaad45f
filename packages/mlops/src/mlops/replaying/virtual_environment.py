"""A virtual environment for replayed steps, so that `pip install` does not change this machine."""

from __future__ import annotations

import venv
from pathlib import Path
from typing import Final

_MODE: Final = 0o700
_PIP: Final = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n'


def create_environment(folder: Path) -> Path:
    """Create an environment that also sees the packages of this machine's Python; return its folder of programs."""
    venv.EnvBuilder(system_site_packages=True, symlinks=True).create(folder)
    programs = folder / "bin"
    for name in ("pip", "pip3"):
        # The machine's pip installs into the environment that runs it; installing another pip would take seconds.
        (programs / name).write_text(_PIP, encoding="utf-8")
        (programs / name).chmod(_MODE)
    return programs
