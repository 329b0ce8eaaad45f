"""Environments and service connections of Azure DevOps with their checks, held against what is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mlops.core.remote_address import RemoteAddress
from mlops.protection.azure_settings import AzureSettings, Document
from mlops.protection.finding import Finding, judge
from mlops.settings.protection import Expectations

_APPROVAL: Final = "Approval"
_LOCK: Final = "ExclusiveLock"
_BRANCH_CONTROL: Final = "evaluatebranchProtection"
_AZURE: Final = "azurerm"
_FEDERATED: Final = "WorkloadIdentityFederation"


def environment_findings(settings: AzureSettings, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """The findings of every environment: there, one rollout at a time, and approved where people must agree."""
    found: list[Finding] = []
    for name, place in expected.azure_devops.environments.items():
        address = f"{remote.origin}/_environments"
        if name not in settings.environments:
            how = f"{address}: new environment {name}, without resources"
            found.append(judge(f"environment {name}", kept=False, found="is not there", needed="exists", how=how))
            continue
        address = f"{address}/{settings.environments[name]['id']}?view=checks"
        checks = settings.environment_checks[name]
        is_locked = bool(_of_kind(checks, _LOCK))
        found.append(
            judge(
                f"rollouts in {name} at a time",
                kept=is_locked,
                found="one" if is_locked else "any number",
                needed="one",
                how=f"{address}: add an exclusive lock",
            )
        )
        if place.reviewers:
            found.append(_approval(name, checks, address))
    return found


def connection_findings(settings: AzureSettings, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """The findings of every service connection: there, without a secret, and kept to the branch."""
    found: list[Finding] = []
    for name, place in expected.azure_devops.connections.items():
        address = f"{remote.origin}/_settings/adminservices"
        setting, needed = f"service connection {name}", "Azure Resource Manager by workload identity federation"
        connection = settings.connections.get(name)
        if connection is None:
            how = f"{address}: new Azure Resource Manager connection {name}, {needed}"
            found.append(judge(setting, kept=False, found="is not there", needed=needed, how=how))
            continue
        address = f"{address}?resourceId={connection['id']}"
        scheme = (connection.get("authorization") or {}).get("scheme", "")
        is_kept = (connection.get("type"), scheme) == (_AZURE, _FEDERATED)
        said = f"{connection.get('type')} by {scheme or 'nothing'}"
        how = f"{address}: convert it to workload identity federation; then nothing secret is stored"
        found.append(judge(setting, kept=is_kept, found=said, needed=needed, how=how))
        if not place.any_branch:
            found.append(_branch_control(name, settings.connection_checks[name], expected.branch, address))
    return found


def _approval(name: str, checks: Sequence[Document], address: str) -> Finding:
    approvals = [each.get("settings") or {} for each in _of_kind(checks, _APPROVAL)]
    kept = any(each.get("approvers") and each.get("requesterCannotBeApprover") for each in approvals)
    said = "; ".join(
        f"{len(each.get('approvers') or ())} approvers, one's own runs "
        f"{'refused' if each.get('requesterCannotBeApprover') else 'allowed'}"
        for each in approvals
    )
    return judge(
        f"approval before a deployment to {name}",
        kept=kept,
        found=said or "none",
        needed="somebody else than who began it",
        how=f"{address}: add approvals, and do not allow approvers to approve their own runs",
    )


def _branch_control(name: str, checks: Sequence[Document], branch: str, address: str) -> Finding:
    allowed = [_allowed_branches(each) for each in checks]
    reference = f"refs/heads/{branch}"
    # Every check has to pass: one that lets the branch alone through is enough.
    kept = any(each == [reference] for each in allowed)
    said = "; ".join(", ".join(each) for each in allowed if each)
    return judge(
        f"branches that may use service connection {name}",
        kept=kept,
        found=said or "all",
        needed=reference,
        how=f"{address}: approvals and checks, branch control, {reference}",
    )


def _allowed_branches(check: Document) -> list[str]:
    settings: dict[str, Any] = check.get("settings") or {}
    if (settings.get("definitionRef") or {}).get("name") != _BRANCH_CONTROL:
        return []
    text = (settings.get("inputs") or {}).get("allowedBranches", "")
    return [each.strip() for each in text.split(",") if each.strip()]


def _of_kind(checks: Sequence[Document], kind: str) -> list[Document]:
    return [each for each in checks if each["type"]["name"] == kind and not each.get("isDisabled")]
