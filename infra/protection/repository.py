"""The repository stack put together: GitHub, Azure DevOps, both, or nothing."""

from __future__ import annotations

import pulumi

from settings.repository import RepositorySettings


def build_repository(settings: RepositorySettings) -> dict[str, pulumi.Input[object]]:
    """Declare the protection that the settings fill in; says what is protected."""
    protected: dict[str, pulumi.Input[object]] = {}
    if settings.github is not None:
        from protection.github import GitHubRepository

        GitHubRepository(settings.github)
        protected["github"] = f"{settings.github.organisation}/{settings.github.repository}"
    if settings.azure_devops is not None:
        from protection.azure_devops import AzureDevOpsRepository

        AzureDevOpsRepository(settings.azure_devops)
        protected["azure_devops"] = settings.azure_devops.repository_id
    return protected
