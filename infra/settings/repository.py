"""The settings of repository protection: off as shipped, GitHub or Azure DevOps or both where filled in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.fields import Frozen, Guid, ProjectName

CheckName = Annotated[str, Field(min_length=1)]


class GitHubProtection(Frozen):
    """What protects a repository on GitHub."""

    organisation: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    repository: str = Field(pattern=r"^[\w.-]+$")
    default_branch: str = "main"
    required_checks: tuple[CheckName, ...] = Field(min_length=1)
    approvals: Annotated[int, Field(ge=1, le=6)] = 1
    reviewer_team_ids: tuple[int, ...] = ()
    """Teams that approve a deployment to prod. Private repositories need GitHub Enterprise for this."""
    allowed_actions: tuple[str, ...] = ("actions/*", "astral-sh/*", "azure/*", "pulumi/*")


class AzureDevOpsProtection(Frozen):
    """What protects a repository in Azure DevOps."""

    project_id: Guid
    repository_id: Guid
    default_branch: str = "refs/heads/main"
    build_definition_id: Annotated[int, Field(ge=1)]
    approvals: Annotated[int, Field(ge=1, le=10)] = 1
    release_reviewer_ids: tuple[Guid, ...] = ()
    """Who must look at changes of releases/."""
    environment_ids: dict[Literal["dev", "staging", "prod"], int] = Field(default_factory=dict)
    approver_ids: tuple[Guid, ...] = ()


class RepositorySettings(Frozen):
    """Everything about the repository stack; with neither part it makes nothing."""

    kind: Literal["repository"]
    project: ProjectName
    github: GitHubProtection | None = None
    azure_devops: AzureDevOpsProtection | None = None
