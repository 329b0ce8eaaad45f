"""Ids of a fake service: derived from names, so that two replays of an event agree."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, uuid5

BUILD_ID: Final = "1"


def stable_id(*parts: str) -> str:
    """Return a UUID that depends on the parts only."""
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))
