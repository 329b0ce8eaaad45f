"""Which version of the template a repository was made from: .template.yml, which a fork does not edit."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops.core.documents import read_checked
from mlops.settings.project import Project

TEMPLATE_FILE: Final = Path(".template.yml")


class TemplateOrigin(BaseModel):
    """The version (semantic, without a leading v) and the repository that has the tag v{version}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    repository: str = Field(pattern=r"^https://[^\s]+$")

    @property
    def tag(self) -> str:
        """The git tag of the version."""
        return f"v{self.version}"


def read_origin(project: Project) -> TemplateOrigin:
    """Read .template.yml. Raises ProjectError with file and line if it is missing or wrong."""
    return read_checked(project.required_file(TEMPLATE_FILE), TemplateOrigin).value
