"""The settings of repository protection: which repository, and who reviews.

How it is protected is read from releases/protection.yml. Off by default; for GitHub, Azure
DevOps or both.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from settings.fields import Format, Frozen, Guid, ProjectName


class _Part(BaseModel):
    """A part of releases/protection.yml. Other keys of that file are for `mlops check --repository`."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EnvironmentProtection(_Part):
    """Whether people must approve before a job of an environment runs, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


class GitHubPullRequests(_Part):
    """What a merge into the branch needs on GitHub."""

    approvals: Annotated[int, Field(ge=1, le=6)]
    checks: tuple[str, ...] = Field(min_length=1)


class GitHubActions(_Part):
    """Whose actions workflows may use."""

    allowed: tuple[str, ...]


class GitHubRules(_Part):
    """How a repository on GitHub must be protected."""

    pull_requests: GitHubPullRequests
    actions: GitHubActions
    environments: dict[str, EnvironmentProtection]


class AzureDevOpsPullRequests(_Part):
    """What a merge into the branch needs in Azure DevOps."""

    approvals: Annotated[int, Field(ge=1, le=10)]
    reviewed_paths: tuple[str, ...] = Field(min_length=1)


class AzureDevOpsRules(_Part):
    """How a repository in Azure DevOps must be protected."""

    pull_requests: AzureDevOpsPullRequests
    environments: dict[str, EnvironmentProtection]


class Protection(_Part):
    """releases/protection.yml, as far as it can be set by code."""

    branch: str
    github: GitHubRules
    azure_devops: AzureDevOpsRules


class GitHubRepository(Frozen):
    """The repository on GitHub."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    repository: str = Field(pattern=r"^[\w.-]+$")
    reviewer_team_ids: tuple[int, ...] = ()
    """Teams that approve jobs of environments with reviewers. Private repositories need GitHub Enterprise for it."""


class AzureDevOpsRepository(Frozen):
    """The repository in Azure DevOps."""

    project_id: Guid
    repository_id: Guid
    build_definition_id: Annotated[int, Field(ge=1)]
    """The pipeline that a pull request must pass."""
    release_reviewer_ids: tuple[Guid, ...] = ()
    """Who must review changes of the reviewed paths."""
    environment_ids: dict[str, int] = Field(default_factory=dict)
    """The environments by name; their numbers are in the addresses of their pages."""
    approver_ids: tuple[Guid, ...] = ()


class RepositorySettings(Frozen):
    """Everything about the repository stack; without `github` and `azure_devops` it declares nothing."""

    format: Format
    kind: Literal["repository"]
    protection: Protection
    project: ProjectName
    github: GitHubRepository | None = None
    azure_devops: AzureDevOpsRepository | None = None
