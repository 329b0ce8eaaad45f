"""releases/protection.yml as frozen objects: what a repository's settings must be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from mlops.core.documents import Part, YamlFile, read_checked
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.stages import StageOrder

EXPECTATIONS_FILE: Final = RELEASE_FOLDER / "protection.yml"
# What brings up a stage's infrastructure has a login of its own, under the stage's name with this before it.
INFRASTRUCTURE_PREFIX: Final = "infra-"

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Approvals = Annotated[int, Field(ge=1, le=10)]


class Place(Part):
    """An environment or a service connection: whether people must agree first, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


class GitHubPullRequests(Part):
    """What a merge into the branch needs on GitHub."""

    approvals: Approvals
    checks: Names


class GitHubActions(Part):
    """Whose actions workflows may use."""

    allowed: Names


class GitHub(Part):
    """A repository on GitHub."""

    pull_requests: GitHubPullRequests
    actions: GitHubActions
    environments: dict[str, Place]
    environment_variables: Names
    identity: str
    repository_variables: Annotated[tuple[str, ...], Field(strict=False)]


class AzurePullRequests(Part):
    """What a merge into the branch needs in Azure DevOps."""

    approvals: Approvals
    build: str
    reviewed_paths: Names


class AzureDevOps(Part):
    """A repository in Azure DevOps."""

    pull_requests: AzurePullRequests
    environments: dict[str, Place]
    connections: dict[str, Place]


class Expectations(YamlFile):
    """What the file says."""

    branch: str
    github: GitHub
    azure_devops: AzureDevOps


def read_expectations(root: Path, order: StageOrder) -> Expectations:
    """Read the expectations of a project. Raises ProjectError, also for what is not said of a stage."""
    checked = read_checked(root / EXPECTATIONS_FILE, Expectations)
    found = checked.value
    listed = {
        ("github", "environments"): found.github.environments,
        ("azure_devops", "environments"): found.azure_devops.environments,
        ("azure_devops", "connections"): found.azure_devops.connections,
    }
    names = [name for stage in order for name in (stage, f"{INFRASTRUCTURE_PREFIX}{stage}")]
    checked.refuse(
        [
            (path, f"says nothing of {name}, of a stage in project.yml; add `{name}:` (`mlops stages add` does)")
            for path, places in listed.items()
            for name in names
            if name not in places
        ]
    )
    return found
