"""Reduces the work of a copy of the project: the same steps, faster training and gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))


# A file of the project, a text in it, and its replacement.
Change = tuple[str, str, str]
LESS_WORK: Final[Sequence[Change]] = (
    ("pipelines/train.yml", "iterations: 0", "iterations: 100"),
    ("pipelines/train.yml", "bootstrap_resamples: 400", "bootstrap_resamples: 100"),
    ("releases/gates.yml", "rounds: 1000", "rounds: 200"),
)
# Latencies that a machine keeps which does other things as well: 1,250 and 2,500 ms for 250 and 500.
WIDE_SLO: Final[Sequence[Change]] = tuple(
    (f"releases/{stage}.yml", f"{latency}_milliseconds: ", f"{latency}_milliseconds: {digit}")
    for stage in ORDER.names
    for latency, digit in (("p95", 1), ("p99", 2))
)


def reduce_work(folder: Path, changes: Sequence[Change] = (*LESS_WORK, *WIDE_SLO)) -> None:
    """Change a copy of the project; fail if a text to replace is missing."""
    for name, old, new in changes:
        file = folder / name
        text = file.read_text()
        assert old in text, f"{name} does not contain {old!r}"
        file.write_text(text.replace(old, new))
