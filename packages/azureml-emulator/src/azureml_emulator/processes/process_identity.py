"""Tells processes apart by id and start time: ids are reused, start times are not. Imports nothing slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ZOMBIE = "Z"


def process_start_time(pid: int) -> str | None:
    """When a process started, as text that tells it from a later one with the same id; None when it has ended.

    A zombie counts as ended.
    """
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == _ZOMBIE else fields[19]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return None if listing.startswith(_ZOMBIE) else listing.partition(" ")[2].strip() or None
