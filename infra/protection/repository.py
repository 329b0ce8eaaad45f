"""The repository stack: GitHub, Azure DevOps, both, or nothing."""

from __future__ import annotations

from resources.context import Outputs
from settings.repository import RepositorySettings


def build_repository(settings: RepositorySettings) -> Outputs:
    """Declare the protection of each repository that the settings name; returns which ones these are."""
    protected: Outputs = {}
    if settings.github is not None:
        from protection.github import GitHubProtection

        GitHubProtection(settings.github, settings.protection)
        protected["github"] = f"{settings.github.organisation}/{settings.github.repository}"
    if settings.azure_devops is not None:
        from protection.azure_devops import AzureDevOpsProtection

        AzureDevOpsProtection(settings.azure_devops, settings.protection)
        protected["azure_devops"] = settings.azure_devops.repository_id
    return protected
