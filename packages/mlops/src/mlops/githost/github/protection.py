"""How a repository on GitHub is protected, compared with what is expected. Pure."""

from __future__ import annotations

from mlops.githost.github.actions import actions_findings
from mlops.githost.github.branch_rules import branch_findings
from mlops.githost.github.environments import environment_findings
from mlops.githost.github.expectations import GitHubExpectations
from mlops.githost.github.settings import Replies
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Finding


def protection_findings(
    replies: Replies, branch: str, wanted: GitHubExpectations, remote: RemoteAddress
) -> list[Finding]:
    """Every setting, in the order in which people would go through them."""
    return [
        *branch_findings(replies, branch, wanted.pull_requests, remote),
        *actions_findings(replies, wanted.actions.allowed, remote),
        *environment_findings(replies, branch, wanted, remote),
    ]
