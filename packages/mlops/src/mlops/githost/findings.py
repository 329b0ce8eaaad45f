"""One setting: what it is, what is needed, and how to set it. Nothing is printed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["kept", "missing", "unreadable", "unavailable"]


@dataclass(frozen=True)
class Finding:
    """`unavailable` is what the plan of the forge cannot have: said, and no failure. `how` is for what is not kept."""

    setting: str
    found: str
    needed: str
    outcome: Outcome
    how: str = ""

    @property
    def fails(self) -> bool:
        """Whether something has to be done: what cannot be read is not taken for kept."""
        return self.outcome in {"missing", "unreadable"}


def judge(setting: str, *, kept: bool, found: str, needed: str, how: str) -> Finding:
    """A setting that is as needed, or missing."""
    return Finding(setting, found, needed, "kept", "") if kept else Finding(setting, found, needed, "missing", how)


def unreadable(setting: str, reason: str, needed: str, how: str) -> Finding:
    """A setting that nobody let us see."""
    return Finding(setting, reason, needed, "unreadable", how)
