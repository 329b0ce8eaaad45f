"""releases/retraining.yml as a frozen object: when drift may start a training, and on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from mlops.core.documents import read_checked
from mlops.settings.project import StageName
from mlops.settings.releases import RELEASE_FOLDER

RETRAINING_FILE: Final = RELEASE_FOLDER / "retraining.yml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CollectedRows(_Part):
    """Which rows that a stage was asked are trained on, once their outcome is known.

    Those of `window_days` that ended `settled_days` before the end of the window that was found to drift, the newest
    `most_rows` of them. `with_history`: after the rows of the newest version of the data asset, without those that
    equal one of them (`leave_out_known`).
    """

    window_days: Annotated[int, Field(ge=1, le=3_650)]
    settled_days: Annotated[int, Field(ge=0, le=3_650)]
    fewest_rows: Annotated[int, Field(ge=1)]
    fewest_of_each: Annotated[int, Field(ge=1)]
    most_rows: Annotated[int, Field(ge=1, le=10_000_000)]
    with_history: bool
    leave_out_known: bool


VersionName = Annotated[str, Field(min_length=1, max_length=255)]


def _choice(value: Any) -> str:
    return "rows" if isinstance(value, dict | CollectedRows) else "version"


DataChoice = Annotated[
    Annotated[VersionName, Tag("version")] | Annotated[CollectedRows, Tag("rows")], Discriminator(_choice)
]


class RetrainingRules(_Part):
    """What retraining.yml says; `data` is a version of the data asset, `newest`, or rows that were collected."""

    stages: Annotated[tuple[StageName, ...], Field(strict=False)]
    cool_down_hours: Annotated[int, Field(ge=0, le=24 * 90)]
    runs_a_week: Annotated[int, Field(ge=0, le=100)]
    cause_days: Annotated[int, Field(ge=1, le=365)]
    data: DataChoice


def read_retraining_rules(file: Path) -> RetrainingRules:
    """Read and check retraining.yml. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, RetrainingRules).value
