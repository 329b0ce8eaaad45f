"""releases/retirement.yml as frozen objects: the grace periods before something is retired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import Field

from mlops.core.documents import Part, YamlFile, read_checked
from mlops.settings.project import Project
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.stages import ByStage, StageOrder, stage_context

RETIREMENT_FILE: Final = RELEASE_FOLDER / "retirement.yml"

Days = Annotated[int, Field(ge=0, le=3_650)]


class Deadlines(Part):
    """One stage's grace periods in days. The newest model always stays: the next version is counted from it."""

    deployment_days: Days
    model_days: Days
    keep_latest_models: Annotated[int, Field(ge=1, le=10_000)]


class _RetirementFile(YamlFile):
    renamed_keys: ClassVar = {"newest_models": "keep_latest_models"}

    stages: ByStage[Deadlines]


def read_deadlines(project: Project) -> ByStage[Deadlines]:
    """The grace periods of each stage. Raises ProjectError naming file, line, key and what to do."""
    return deadlines_in(project.path(RETIREMENT_FILE), project.order)


def deadlines_in(file: Path, order: StageOrder) -> ByStage[Deadlines]:
    """The same, for a given file."""
    return read_checked(file, _RetirementFile, stage_context(order)).value.stages
