"""The settings of what the stages share: the registry through which models are promoted."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from settings.fields import Format, Frozen, Guid, Location, ProjectName, StageName
from settings.platform import Naming, Tags
from settings.project import ProjectStages
from settings.stage import Alerts, Azure, Budget


class RegistryPeople(Frozen):
    """Which Entra groups (object ids) may read or use the registry, by the stage they work in."""

    readers: dict[StageName, Guid] = Field(default_factory=dict)
    """People who look up models."""
    users: dict[StageName, Guid] = Field(default_factory=dict)
    """Only people of the training stage may publish by hand; everything later is published by CI."""


class SharedSettings(Frozen):
    """Everything about the shared stack."""

    format: Format
    kind: Literal["shared"]
    today: date
    """In UTC: a budget starts with its month."""
    project_stages: ProjectStages
    azure: Azure
    project: ProjectName
    """`name` in project.yml."""
    regions: tuple[Location, ...] = Field(min_length=1)
    """Where the registry keeps copies: every stage's region."""
    public_access: bool = True
    """False only if the first stage is private: laptops and hosted agents reach it from outside."""
    images: bool = False
    """Whether the stages share a registry for the images of environments as well: what one stage ran, the next runs."""
    locked: bool = True
    """Whether the registry is locked against deletion: false while rights on it are revoked or it is deleted."""
    people: RegistryPeople = RegistryPeople()
    budget: Budget
    alerts: Alerts
    tags: Tags = Field(default_factory=dict)
    """As in a stage."""
    naming: Naming = Naming()
    storage: Annotated[str, Field(pattern=r"^Standard_(ZRS|GRS|GZRS|RAGRS|RAGZRS)$")] = "Standard_ZRS"
    """How Azure keeps copies of the models."""
