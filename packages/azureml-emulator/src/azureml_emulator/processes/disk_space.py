"""Whether there is room on the disk of a folder."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

# With less, hardly anything can be written.
_LEAST_BYTES = 256 * 1024


def is_full(folder: Path) -> bool:
    """Whether next to nothing can be written to the disk of an existing folder."""
    return shutil.disk_usage(folder).free < _LEAST_BYTES


def room_note(folder: Path, output: str) -> str:
    """A sentence, with a space, for a program that failed because the disk of this folder is full; else empty.

    `output` is the end of what it wrote: what it could not write may have been deleted since.
    """
    if not is_full(folder) and not any(os.strerror(number) in output for number in (errno.ENOSPC, errno.EDQUOT)):
        return ""
    return f"There is no room left on the disk of {folder}: free some space there, then submit it again. "
