"""The settings of repository protection: off as shipped, GitHub or Azure DevOps or both where filled in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.fields import Frozen, Guid, ProjectName

CheckName = Annotated[str, Field(min_length=1)]


class EnvironmentProtection(Frozen):
    """Whether people must agree before a job of an environment runs, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


# As releases/protection.yml has them: what the workflows name. Those for any branch have an identity that only reads.
ENVIRONMENTS = {
    "dev": EnvironmentProtection(),
    "staging": EnvironmentProtection(),
    "prod": EnvironmentProtection(reviewers=True),
    "promotion": EnvironmentProtection(),
    "retraining": EnvironmentProtection(),
    "gate": EnvironmentProtection(any_branch=True),
    "infra-shared": EnvironmentProtection(reviewers=True),
    "infra-dev": EnvironmentProtection(),
    "infra-staging": EnvironmentProtection(),
    "infra-prod": EnvironmentProtection(reviewers=True),
    "infra-preview": EnvironmentProtection(any_branch=True),
}


class GitHubProtection(Frozen):
    """What protects a repository on GitHub."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    repository: str = Field(pattern=r"^[\w.-]+$")
    default_branch: str = "main"
    required_checks: tuple[CheckName, ...] = Field(min_length=1)
    approvals: Annotated[int, Field(ge=1, le=6)] = 1
    reviewer_team_ids: tuple[int, ...] = ()
    """Teams that approve jobs of environments with reviewers. Private repositories need GitHub Enterprise for it."""
    environments: dict[str, EnvironmentProtection] = Field(default_factory=lambda: dict(ENVIRONMENTS))
    allowed_actions: tuple[str, ...] = ("actions/*", "astral-sh/*", "azure/*", "pulumi/*")


class AzureDevOpsProtection(Frozen):
    """What protects a repository in Azure DevOps."""

    project_id: Guid
    repository_id: Guid
    default_branch: str = "refs/heads/main"
    build_definition_id: Annotated[int, Field(ge=1)]
    approvals: Annotated[int, Field(ge=1, le=10)] = 1
    release_reviewer_ids: tuple[Guid, ...] = ()
    """Who must look at changes of releases/ and infra/."""
    environment_ids: dict[
        Literal["dev", "staging", "prod", "infra-shared", "infra-dev", "infra-staging", "infra-prod"], int
    ] = Field(default_factory=dict)
    approver_ids: tuple[Guid, ...] = ()


class RepositorySettings(Frozen):
    """Everything about the repository stack; with neither part it makes nothing."""

    kind: Literal["repository"]
    project: ProjectName
    github: GitHubProtection | None = None
    azure_devops: AzureDevOpsProtection | None = None
