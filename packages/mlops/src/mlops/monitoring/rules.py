"""releases/monitor.yml as frozen objects: how to measure, the rules, and which of them a newer model can mend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from mlops.documents import KeyPath, read_checked
from mlops.judging.rules import Part, Rule, RuleEntry, problems_of, rules_at
from mlops.monitoring.catalogue import CATALOGUE, section_of
from mlops.project import StageName
from mlops.project_schema import named_slice, slices_context
from mlops.releases.manifest import RELEASE_FOLDER
from model_package.schema import Schema

MONITOR_FILE: Final = RELEASE_FOLDER / "monitor.yml"
_MENDABLE: Final = ("drift", "performance", "fairness")

AtLeastOne = Annotated[int, Field(ge=1)]


def _name(name: str, info: ValidationInfo) -> str:
    return named_slice(name, info.context).name


SliceName = Annotated[str, AfterValidator(_name)]


class Measuring(Part):
    """The inputs of pipelines/monitor.yml that say how to measure."""

    min_rows: AtLeastOne
    min_labels: AtLeastOne
    min_subgroup_rows: AtLeastOne
    psi_threshold: Annotated[float, Field(gt=0, le=100)]
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_resamples: Annotated[int, Field(ge=50, le=10_000)]
    seed: Annotated[int, Field(ge=0)]


class MonitorFile(Part):
    """What monitor.yml says. `slices` are named there and defined in schema.yml."""

    renamed: ClassVar[Mapping[str, str]] = {
        "groups": "slices",
        "fewest_requests": "min_requests",
        "measuring.fewest_rows": "min_rows",
        "measuring.fewest_labels": "min_labels",
        "measuring.smallest_band": "min_subgroup_rows",
        "measuring.moved_index": "psi_threshold",
        "measuring.false_discoveries": "false_discovery_rate",
    }

    format: Literal[1]
    measuring: Measuring
    min_requests: AtLeastOne
    slices: Annotated[tuple[SliceName, ...], Field(strict=False)]
    asks_for_retraining: Annotated[tuple[str, ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules that a stage asks for, in the file's order."""
        return rules_at(self.rules, stage)


def read_monitor_rules(file: Path, schema: Schema) -> MonitorFile:
    """Read and check monitor.yml, whose slices the schema defines. Raises ProjectError naming file, line and key."""
    checked = read_checked(file, MonitorFile, slices_context(schema))
    found = checked.value
    problems = problems_of(found.rules, CATALOGUE, found.slices, has_champions=False)
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
