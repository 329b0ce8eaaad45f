"""The section `azure_devops` of releases/protection.yml."""

from __future__ import annotations

from mlops.githost.protection import Approvals, EnvironmentProtection, Names, Section


class MergeRequirements(Section):
    """What a merge into the branch needs."""

    approvals: Approvals
    build: str
    reviewed_paths: Names


class AzureDevOpsExpectations(Section):
    """What is expected of a repository in Azure DevOps."""

    pull_requests: MergeRequirements
    environments: dict[str, EnvironmentProtection]
    connections: dict[str, EnvironmentProtection]
