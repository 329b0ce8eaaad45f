"""releases/retirement.yml as frozen objects: after how long something is taken out of service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from mlops.core.documents import read_checked
from mlops.settings.project import Project, StageName
from mlops.settings.releases import RELEASE_FOLDER

RETIREMENT_FILE: Final = RELEASE_FOLDER / "retirement.yml"

Days = Annotated[int, Field(ge=0, le=3_650)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Deadlines(_Part):
    """One stage's deadlines in days. The newest model always stays: the next version is counted from it."""

    deployment_days: Days
    model_days: Days
    newest_models: Annotated[int, Field(ge=1, le=10_000)]


class _Stages(_Part):
    dev: Deadlines
    staging: Deadlines
    prod: Deadlines


class _RetirementFile(_Part):
    stages: _Stages


def read_deadlines(project: Project, stage: StageName) -> Deadlines:
    """The deadlines of a stage. Raises ProjectError naming file, line, key and what to do."""
    return deadlines_in(project.path(RETIREMENT_FILE), stage)


def deadlines_in(file: Path, stage: StageName) -> Deadlines:
    """The same, of a file."""
    return getattr(read_checked(file, _RetirementFile).value.stages, stage)
