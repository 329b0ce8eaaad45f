"""The host's processor architecture, as both services name it."""

from __future__ import annotations

import platform
from typing import Final

_NAMES: Final = {"x86_64": "X64", "amd64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}


def architecture() -> str:
    """X64 or ARM64."""
    return _NAMES.get(platform.machine().lower(), "X64")
