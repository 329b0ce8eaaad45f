"""releases/retraining.yml as a frozen object: when drift may start a training, and on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from mlops.documents import read_checked
from mlops.project import StageName
from mlops.releases.manifest import RELEASE_FOLDER

RETRAINING_FILE: Final = RELEASE_FOLDER / "retraining.yml"


class RetrainingRules(BaseModel):
    """What retraining.yml says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stages: Annotated[tuple[StageName, ...], Field(strict=False)]
    cool_down_hours: Annotated[int, Field(ge=0, le=24 * 90)]
    runs_a_week: Annotated[int, Field(ge=0, le=100)]
    cause_days: Annotated[int, Field(ge=1, le=365)]
    data: Annotated[str, Field(min_length=1, max_length=255)]


def read_retraining_rules(file: Path) -> RetrainingRules:
    """Read and check retraining.yml. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, RetrainingRules).value
