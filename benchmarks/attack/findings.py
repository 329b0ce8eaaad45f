"""What an attack found, its progress, and how it ends."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

_PROGRESS_SECONDS = 2.0


@dataclass
class Findings:
    """The findings of one attack. `tried` counts what was tried, `outcomes` how often each outcome was seen."""

    name: str
    found: list[str] = field(default_factory=list)
    tried: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    _said_at: float = 0.0

    def add(self, finding: str) -> None:
        """Add a finding, and print it at once."""
        self.found.append(finding)
        print(f"FOUND {self.name}: {finding}", flush=True)

    def saw(self, outcome: str) -> None:
        """Count an outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def progress(self, total: int) -> None:
        """Count one try, and print a line now and then."""
        self.tried += 1
        if self.tried == total or time.monotonic() - self._said_at > _PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            print(f"{self.name}: {self.tried} of {total}, {len(self.found)} findings", file=sys.stderr, flush=True)

    def summary(self) -> str:
        """One line."""
        seen = ", ".join(f"{count} of {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return f"{self.name}: {self.tried} tried, {len(self.found)} findings ({seen})"
