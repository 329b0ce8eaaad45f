"""Which version of the template a repository was made from, and what later versions change in a fork's own files.

.template.yml states the version; a fork does not edit it. `mlops upgrade` runs the migrations by the new version, in an
environment of its own, after its files are merged. A migration is added with the version that needs it, and stays: a
fork may skip versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from packaging.version import Version
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


@dataclass(frozen=True)
class Migration:
    """One change that `version` needs.

    `apply` edits the files below the project's root and returns what it changed, a sentence per file. An interrupted
    upgrade runs it again: it must find its own work done. project.yml may still be that of the former version.
    """

    version: str
    apply: Callable[[Path], Sequence[str]]


# 1.0.0 is the first version: there is none to migrate from.
MIGRATIONS: Final[tuple[Migration, ...]] = ()


def migrate(root: Path, before: str, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the migrations of every version after `before`, oldest first; return what they changed."""
    later = [each for each in migrations if Version(each.version) > Version(before)]
    return [
        f"{each.version}: {sentence}"
        for each in sorted(later, key=lambda each: Version(each.version))
        for sentence in each.apply(root)
    ]
