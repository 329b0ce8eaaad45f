"""releases/monitor.yml as frozen objects: how to measure, the rules, and which of them a newer model can mend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from mlops.documents import KeyPath, read_checked
from mlops.judging.rules import Part, Rule, RuleEntry, problems_of, rules_at
from mlops.monitoring.catalogue import CATALOGUE, section_of
from mlops.project import StageName
from mlops.releases.manifest import RELEASE_FOLDER

MONITOR_FILE: Final = RELEASE_FOLDER / "monitor.yml"
_MENDABLE: Final = ("drift", "performance", "fairness")

AtLeastOne = Annotated[int, Field(ge=1)]
GroupName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]


class Measuring(Part):
    """The inputs of pipelines/monitor.yml that say how to measure."""

    fewest_rows: AtLeastOne
    fewest_labels: AtLeastOne
    smallest_band: AtLeastOne
    moved_index: Annotated[float, Field(gt=0, le=100)]
    false_discoveries: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_resamples: Annotated[int, Field(ge=50, le=10_000)]
    seed: Annotated[int, Field(ge=0)]


class MonitorFile(Part):
    """What monitor.yml says."""

    measuring: Measuring
    fewest_requests: AtLeastOne
    groups: Annotated[tuple[GroupName, ...], Field(strict=False)]
    asks_for_retraining: Annotated[tuple[str, ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules that a stage asks for, in the file's order."""
        return rules_at(self.rules, stage)


def read_monitor_rules(file: Path) -> MonitorFile:
    """Read and check monitor.yml. Raises ProjectError naming file, line, key and what to do."""
    checked = read_checked(file, MonitorFile)
    found = checked.value
    problems = problems_of(found.rules, CATALOGUE, found.groups, has_champions=False)
    checked.refuse([*problems, *_retraining_problems(found)])
    return found


def _retraining_problems(found: MonitorFile) -> list[tuple[KeyPath, str]]:
    judged = {entry.measure for entry in found.rules}
    problems: list[tuple[KeyPath, str]] = []
    for index, measure in enumerate(found.asks_for_retraining):
        if measure not in judged:
            problems.append((("asks_for_retraining", index), f"no rule is about '{measure}'"))
        elif section_of(measure) not in _MENDABLE:
            problems.append((("asks_for_retraining", index), f"a newer model cannot mend '{measure}'"))
    return problems
