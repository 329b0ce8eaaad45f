"""A measure as it was taken, or the reason why there is none; as objects and as measures.json holds it. Pure: no I/O.

Gates, monitoring and the rules that judge them share this one shape. Whether a value is good is not said here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from model_package.documents import Fields
from model_package.errors import ModelPackageError, NoData

State = Literal["measured", "nothing", "broken"]
_STATES: tuple[State, ...] = ("measured", "nothing", "broken")
SLICE_SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a confidence interval; NaN where it is not defined."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure. `state` tells a value, even NaN, from none; `reason` says why there is none.

    `reference` is what the value is compared with: the champion's, or the released model's own evaluation.
    `interval` holds the value, `difference_interval` the difference from the reference. `details` name what is
    behind the value, one finding each. `reference_problem` says why there is a reference and no value of it.
    """

    value: float = math.nan
    interval: Interval | None = None
    reference: float | None = None
    difference_interval: Interval | None = None
    details: tuple[str, ...] = ()
    state: State = "measured"
    reason: str = ""
    reference_problem: str = ""

    @property
    def difference(self) -> float | None:
        """The value minus the reference; None without a reference."""
        return None if self.reference is None else self.value - self.reference

    @classmethod
    def nothing(cls, reason: str) -> Self:
        """Return what stands for a measure that there is nothing to take from."""
        return cls(state="nothing", reason=reason)

    @classmethod
    def failed(cls, error: ModelPackageError) -> Self:
        """Return what stands for a measure that could not be taken; only NoData says that nothing is broken."""
        return cls(state="nothing" if isinstance(error, NoData) else "broken", reason=str(error))

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of measures.json. Raises PackageError."""
        state = document.text("state")
        if state not in _STATES:
            raise document.wrong("state", f"must be one of {', '.join(_STATES)}, found {state!r}")
        if state != "measured":
            return cls(state=state, reason=document.text("reason"))
        low, high = document.optional_number("low"), document.optional_number("high")
        return cls(
            value=document.number("value"),
            reference=document.optional_number("reference"),
            difference_interval=None if low is None or high is None else Interval(low, high),
            details=tuple(str(each) for each in document.values.get("details") or ()),
        )

    def as_document(self) -> dict[str, Any]:
        """Return the entry of measures.json; a value that is not finite is none, as JSON has no NaN."""
        if self.state != "measured":
            return {"state": self.state, "reason": self.reason}
        if not math.isfinite(self.value):
            return {"state": "nothing", "reason": "the rows do not define it"}
        interval = self.difference_interval
        compared = self.reference is not None and math.isfinite(self.reference)
        return {
            "state": "measured",
            "value": self.value,
            "reference": self.reference if compared else None,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
            "details": list(self.details),
        }


def slice_metric(metric: str, name: str) -> str:
    """Return the name of a metric taken for one slice."""
    return f"{metric}{SLICE_SEPARATOR}{name}"


def no_measures(reason: str, *names: str) -> dict[str, Measure]:
    """Return the same reason for several measures."""
    return dict.fromkeys(names, Measure.nothing(reason))


def largest(values: Mapping[str, float], named: int = 3) -> Measure:
    """Return the largest of several values, with the names of those that are largest."""
    ordered = sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))
    details = tuple(f"{name} {value:.4g}" for name, value in ordered[:named] if value > 0)
    return Measure(value=float(ordered[0][1]) if ordered else 0.0, details=details)
