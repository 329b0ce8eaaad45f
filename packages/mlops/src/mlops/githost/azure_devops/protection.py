"""How a repository in Azure DevOps is protected, compared with what is expected. Pure."""

from __future__ import annotations

from mlops.githost.azure_devops.branch_policies import policy_findings
from mlops.githost.azure_devops.environments import connection_findings, environment_findings
from mlops.githost.azure_devops.expectations import AzureDevOpsExpectations
from mlops.githost.azure_devops.settings import AzureSettings
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Finding


def protection_findings(
    settings: AzureSettings, branch: str, wanted: AzureDevOpsExpectations, remote: RemoteAddress
) -> list[Finding]:
    """Every setting, in the order in which people would go through them."""
    return [
        *policy_findings(settings, branch, wanted.pull_requests, remote),
        *environment_findings(settings, wanted.environments, remote),
        *connection_findings(settings, branch, wanted.connections, remote),
    ]
