"""The Python that steps find: this machine's, in an environment of its own, so that `pip install` changes nothing."""

from __future__ import annotations

import venv
from pathlib import Path
from typing import Final

_MODE: Final = 0o700
_PIP: Final = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n'


def install(folder: Path) -> Path:
    """Make the environment in a new folder; its programs' folder. What the machine's Python has can be seen in it."""
    venv.EnvBuilder(system_site_packages=True, symlinks=True).create(folder)
    programs = folder / "bin"
    for name in ("pip", "pip3"):
        # The machine's pip, which installs where the Python is that runs it: an own one would take seconds.
        (programs / name).write_text(_PIP, encoding="utf-8")
        (programs / name).chmod(_MODE)
    return programs
