"""What this program reads from the repository around it: the stages of project.yml, and releases/protection.yml.

Both are read as data, so that a stage or a rule of protection is written down once. The rest of
project.yml is for `mlops`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator

from settings.fields import Frozen, Guid, StageName
from settings.platform import Naming

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = "project.yml"
PROGRAM_FOLDER = "infra"
PROTECTION_FILE = "releases/protection.yml"
MOST_STAGES = 6
# Other stacks and CI's other environments are called so.
RESERVED = frozenset({"shared", "ci", "repository", "preview", "gate", "promotion", "retraining"})


class ProjectStages(Frozen):
    """The stages in order: models are trained in the first and promoted to the last, which is production."""

    names: Annotated[tuple[StageName, ...], Field(min_length=1, max_length=MOST_STAGES)]
    subscriptions: dict[StageName, Guid] = Field(default_factory=dict)
    """Of the stages whose subscription project.yml names."""

    @field_validator("names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"stage {twice[0]} is listed twice")
        taken = sorted(RESERVED.intersection(names))
        if taken:
            raise ValueError(f"a stage cannot be called {taken[0]}: a stack or an environment of CI has that name")
        return names

    @property
    def training(self) -> str:
        """The stage where models are trained."""
        return self.names[0]

    @property
    def after_training(self) -> str | None:
        """The stage that newly trained models are proposed for; None where there is one stage only."""
        return self.names[1] if len(self.names) > 1 else None

    def before(self, stage: str) -> str | None:
        """The stage that a stage's models come from; None for the first."""
        position = self.names.index(stage) if stage in self.names else 0
        return self.names[position - 1] if position else None

    def is_production(self, stage: str) -> bool:
        """Whether a stage is the one that models are promoted to in the end."""
        return stage == self.names[-1]

    def is_only(self, stage: str) -> bool:
        """Whether there is no other stage."""
        return self.names == (stage,)


def read_stages(root: Path = ROOT) -> ProjectStages:
    """The stages of project.yml. Raises ValueError."""
    try:
        stages = _stages(_document(root / PROJECT_FILE).get("stages"))
        known = {stage["name"]: stage["subscription_id"] for stage in stages if "subscription_id" in stage}
        return ProjectStages(names=tuple(stage["name"] for stage in stages), subscriptions=known)
    except ValidationError as error:
        reasons = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
        raise ValueError(f"{PROJECT_FILE}: stages: {reasons}") from error


def read_namings(root: Path = ROOT) -> dict[str, Naming]:
    """`infra:naming` of every stack that has a file. Raises ValueError."""
    found = {}
    for file in sorted((root / PROGRAM_FOLDER).glob("Pulumi.*.yaml")):
        config = _document(file).get("config")
        given = config.get("infra:naming") if isinstance(config, dict) else None
        try:
            found[file.name.split(".")[1]] = Naming.model_validate(given or {})
        except ValidationError as error:
            raise ValueError(f"{file.name}: infra:naming: {error.errors()[0]['msg']}") from error
    return found


def has_shared_images(root: Path = ROOT) -> bool:
    """Whether `infra:images` of the shared stack's file is true. Raises ValueError."""
    file = root / PROGRAM_FOLDER / "Pulumi.shared.yaml"
    config = _document(file).get("config") if file.is_file() else None
    # `pulumi config set` writes text.
    return isinstance(config, dict) and config.get("infra:images") in (True, "true")


def read_protection(root: Path = ROOT) -> dict[str, Any]:
    """The content of releases/protection.yml. Raises ValueError."""
    return _document(root / PROTECTION_FILE)


def _stages(stages: object) -> list[dict[str, str]]:
    if not isinstance(stages, list) or not all(isinstance(stage, dict) and "name" in stage for stage in stages):
        raise ValueError(f"{PROJECT_FILE}: stages is not a list of stages; begin each with `- name: dev`")
    return stages


def _document(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ValueError(f"{file} does not exist: this program reads it from the repository around it")
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{file} is not a mapping of keys to values")
    return document
