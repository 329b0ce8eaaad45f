"""releases/protection.yml as frozen objects: what a repository's settings must be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from mlops.core.documents import read_checked
from mlops.settings.releases import RELEASE_FOLDER

EXPECTATIONS_FILE: Final = RELEASE_FOLDER / "protection.yml"

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Approvals = Annotated[int, Field(ge=1, le=10)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Place(_Part):
    """An environment or a service connection: whether people must agree first, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


class GitHubPullRequests(_Part):
    """What a merge into the branch needs on GitHub."""

    approvals: Approvals
    checks: Names


class GitHubActions(_Part):
    """Whose actions workflows may use."""

    allowed: Names


class GitHub(_Part):
    """A repository on GitHub."""

    pull_requests: GitHubPullRequests
    actions: GitHubActions
    environments: dict[str, Place]
    environment_variables: Names
    identity: str
    repository_variables: Annotated[tuple[str, ...], Field(strict=False)]


class AzurePullRequests(_Part):
    """What a merge into the branch needs in Azure DevOps."""

    approvals: Approvals
    build: str
    reviewed_paths: Names


class AzureDevOps(_Part):
    """A repository in Azure DevOps."""

    pull_requests: AzurePullRequests
    environments: dict[str, Place]
    connections: dict[str, Place]


class Expectations(_Part):
    """What the file says."""

    branch: str
    github: GitHub
    azure_devops: AzureDevOps


def read_expectations(root: Path) -> Expectations:
    """Read the expectations of a project. Raises ProjectError."""
    return read_checked(root / EXPECTATIONS_FILE, Expectations).value
