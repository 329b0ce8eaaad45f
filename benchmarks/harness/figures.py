"""What every benchmark prints: figures beside their limits, as a table or JSON; measures nothing but the load."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

# Before the benchmark adds to it: how many processes of others wanted a processor, over the last minute.
LOAD_BEFORE = os.getloadavg()[0]
PROCESSORS = os.cpu_count() or 1
# With that share of the processors taken already, what is timed is not this project alone.
_BUSY_SHARE = 0.25


@dataclass(frozen=True)
class Figure:
    """One measured value and the limit it is held to; without a limit it is only shown, as a peer's is.

    `better` says which side of the limit is good: "lower" passes at or under it, "higher" at or over it.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the value keeps its limit; a value that is no number does not."""
        if self.limit is None:
            return True
        return self.value <= self.limit if self.better == "lower" else self.value >= self.limit


def report(title: str, figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print the figures; the exit code, 0 when every one keeps its limit."""
    if as_json:
        rows = [{**asdict(figure), "passed": figure.passed} for figure in figures]
        load = {"before": LOAD_BEFORE, "processors": PROCESSORS}
        print(json.dumps({"benchmark": title, "load": load, "figures": rows}, indent=2))
    else:
        print(title)
        for figure in figures:
            print(_line(figure))
        print(_load())
        sys.stdout.flush()
    return 0 if all(figure.passed for figure in figures) else 1


def _load() -> str:
    text = f"load average before: {LOAD_BEFORE:.1f} on {PROCESSORS} processors"
    if LOAD_BEFORE < _BUSY_SHARE * PROCESSORS:
        return text
    return f"{text}. The machine was busy: times and rates are worse than its own, processor time and ratios less so"


def _line(figure: Figure) -> str:
    measured = f"{figure.name:<52} {figure.value:>10.3f} {figure.unit:<6}"
    note = f"  ({figure.note})" if figure.note else ""
    if figure.limit is None:
        return f"        {measured}{note}".rstrip()
    bound = "at most" if figure.better == "lower" else "at least"
    verdict = "pass" if figure.passed else "FAIL"
    return f"  {verdict}  {measured} {bound} {figure.limit:g} {figure.unit}{note}".rstrip()
