"""One measure as measures.json holds it: a value, what it is compared with, or why there is none. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Measure:
    """`reference` is the released model's own value; `low` and `high` hold the difference from it.

    `reason` says why there is nothing to measure, and stands in the place of a value. `details` name what is behind
    the value.
    """

    value: float = math.nan
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    details: tuple[str, ...] = ()
    reason: str = ""

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        if self.reason or not math.isfinite(self.value):
            return {"state": "nothing", "reason": self.reason or "the rows do not define it"}
        compared = self.reference is not None and math.isfinite(self.reference)
        return {
            "state": "measured",
            "value": self.value,
            "reference": self.reference if compared else None,
            "low": self.low,
            "high": self.high,
            "details": list(self.details),
        }


def nothing(reason: str, *names: str) -> dict[str, Measure]:
    """The same reason for several measures."""
    return dict.fromkeys(names, Measure(reason=reason))


def largest(shares: Mapping[str, float], most: int = 3) -> Measure:
    """The largest of several shares, with the names of those that are largest."""
    ordered = sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
    named = tuple(f"{name} {value:.4g}" for name, value in ordered[:most] if value > 0)
    return Measure(value=float(ordered[0][1]) if ordered else 0.0, details=named)
