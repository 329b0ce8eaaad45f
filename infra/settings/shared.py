"""The settings of what the stages share: the registry through which models are promoted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from naming import WORKSPACE_LIMIT, Names
from settings.fields import Frozen, Guid, Location, ProjectName
from settings.stage import Alerts, Azure, Budget


class RegistryPeople(Frozen):
    """Which Entra groups (object ids) may read or use the registry, per stage they work in."""

    readers: dict[Literal["dev", "staging", "prod"], Guid] = Field(default_factory=dict)
    users: dict[Literal["dev"], Guid] = Field(default_factory=dict)
    """Only people of dev may publish by hand; everything later is published by CI."""


class SharedSettings(Frozen):
    """Everything about the shared stack."""

    kind: Literal["shared"]
    project: ProjectName
    azure: Azure
    regions: tuple[Location, ...] = Field(min_length=1)
    """Where the registry keeps copies: every stage's region."""
    public_access: bool = True
    people: RegistryPeople = RegistryPeople()
    budget: Budget
    alerts: Alerts
    storage: Annotated[str, Field(pattern=r"^Standard_(ZRS|GRS|GZRS|RAGRS|RAGZRS)$")] = "Standard_ZRS"

    @model_validator(mode="after")
    def _together(self) -> SharedSettings:
        problems = []
        name = Names(self.project, "shared", self.azure.subscription_id).model_registry
        if len(name) > WORKSPACE_LIMIT:
            problems.append(
                f"project '{self.project}' is too long: the registry '{name}' has more than {WORKSPACE_LIMIT}"
            )
        if self.azure.location not in self.regions:
            problems.append(f"regions lacks {self.azure.location}, where the registry itself lives")
        if len(set(self.regions)) != len(self.regions):
            problems.append("regions names a region twice")
        if problems:
            raise ValueError("; ".join(problems))
        return self
