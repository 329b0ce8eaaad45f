"""releases/retraining.yml as a frozen object: when drift may start a training, and on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import Discriminator, Field, Tag

from mlops.core.documents import Part, YamlFile, read_checked
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.stages import KnownStage, StageOrder, stage_context

RETRAINING_FILE: Final = RELEASE_FOLDER / "retraining.yml"


class CollectedRows(Part):
    """Which rows that a stage collected are trained on, once their outcomes are known.

    Those of `window_days` that ended `label_delay_days` before the end of the window that drifted, the newest
    `max_rows` of them. `include_history`: after the rows of the newest version of the data asset, without those that
    equal one of them (`exclude_known_rows`).
    """

    window_days: Annotated[int, Field(ge=1, le=3_650)]
    label_delay_days: Annotated[int, Field(ge=0, le=3_650)]
    min_rows: Annotated[int, Field(ge=1)]
    min_rows_per_class: Annotated[int, Field(ge=1)]
    max_rows: Annotated[int, Field(ge=1, le=10_000_000)]
    include_history: bool
    exclude_known_rows: bool


VersionName = Annotated[str, Field(min_length=1, max_length=255)]


def _choice(value: Any) -> str:
    return "rows" if isinstance(value, dict | CollectedRows) else "version"


DataChoice = Annotated[
    Annotated[VersionName, Tag("version")] | Annotated[CollectedRows, Tag("rows")], Discriminator(_choice)
]


class RetrainingRules(YamlFile):
    """What retraining.yml says; `data` is a version of the data asset, `newest`, or rows that were collected."""

    renamed_keys: ClassVar = {
        "runs_a_week": "max_runs_per_week",
        "cause_days": "max_cause_age_days",
        "settled_days": "label_delay_days",
        "fewest_rows": "min_rows",
        "fewest_of_each": "min_rows_per_class",
        "most_rows": "max_rows",
        "with_history": "include_history",
        "leave_out_known": "exclude_known_rows",
    }

    stages: Annotated[tuple[KnownStage, ...], Field(strict=False)]
    cool_down_hours: Annotated[int, Field(ge=0, le=24 * 90)]
    max_runs_per_week: Annotated[int, Field(ge=0, le=100)]
    max_cause_age_days: Annotated[int, Field(ge=1, le=365)]
    data: DataChoice


def read_retraining_rules(file: Path, order: StageOrder) -> RetrainingRules:
    """Read and check retraining.yml. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, RetrainingRules, stage_context(order)).value
