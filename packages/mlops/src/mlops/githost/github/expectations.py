"""The section `github` of releases/protection.yml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops.githost.protection import Approvals, EnvironmentProtection, Names, Section


class MergeRequirements(Section):
    """What a merge into the branch needs."""

    approvals: Approvals
    checks: Names


class AllowedActions(Section):
    """Whose actions workflows may use."""

    allowed: Names


class GitHubExpectations(Section):
    """What is expected of a repository on GitHub."""

    pull_requests: MergeRequirements
    actions: AllowedActions
    environments: dict[str, EnvironmentProtection]
    environment_variables: Names
    identity: str
    repository_variables: Annotated[tuple[str, ...], Field(strict=False)]
