"""A copy of the project that is trained and judged in less time: the same steps with less work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlops.settings.project import STAGE_NAMES

# A file of the project, as it is, and as it is in the copy.
Change = tuple[str, str, str]
LESS_WORK: Final[Sequence[Change]] = (
    ("pipelines/train.yml", "iterations: 200", "iterations: 100"),
    ("pipelines/train.yml", "bootstrap_resamples: 400", "bootstrap_resamples: 100"),
    ("releases/gates.yml", "rounds: 1000", "rounds: 200"),
)
# Latencies that a machine keeps which does other things as well: 1,250 and 2,500 ms for 250 and 500.
WIDE_SLO: Final[Sequence[Change]] = tuple(
    (f"releases/{stage}.yml", f"{latency}_milliseconds: ", f"{latency}_milliseconds: {digit}")
    for stage in STAGE_NAMES
    for latency, digit in (("p95", 1), ("p99", 2))
)


def make_quicker(folder: Path, changes: Sequence[Change] = (*LESS_WORK, *WIDE_SLO)) -> None:
    """Change a copy of the project; fails when a text that is to change is not there any more."""
    for name, old, new in changes:
        file = folder / name
        text = file.read_text()
        assert old in text, f"{name} has no {old!r} any more"
        file.write_text(text.replace(old, new))
