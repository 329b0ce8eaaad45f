"""How a repository in Azure DevOps is protected: its branch, environments and connections. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlops.githost.azure_devops.settings import (
    BUILD_POLICY,
    AzureDevOpsExpectations,
    AzureSettings,
    Document,
    MergeRequirements,
    organisation_url,
)
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import EnvironmentProtection, Finding, judge


def protection_findings(
    settings: AzureSettings, branch: str, wanted: AzureDevOpsExpectations, remote: RemoteAddress
) -> list[Finding]:
    """Every setting, in the order to work through them."""
    return [
        *policy_findings(settings, branch, wanted.pull_requests, remote),
        *environment_findings(settings, wanted.environments, remote),
        *connection_findings(settings, branch, wanted.connections, remote),
    ]


_APPROVERS: Final = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
_REVIEWERS: Final = "fd2167ab-b0be-447a-8ec8-39368250530e"
_VALID_MINUTES: Final = 720


def policy_findings(
    settings: AzureSettings, branch: str, wanted: MergeRequirements, remote: RemoteAddress
) -> list[Finding]:
    """The findings about what a merge requires."""
    common = (
        f"--org {shlex.quote(organisation_url(remote))} --project {shlex.quote(remote.project)} "
        f"--repository-id {settings.repository['id']} --branch {shlex.quote(branch)} "
        "--enabled true --blocking true"
    )
    default = settings.repository.get("defaultBranch", "")
    return [
        judge(
            "default branch",
            kept=default == f"refs/heads/{branch}",
            found=default or "none",
            needed=f"refs/heads/{branch}",
            how=f"az repos update --repository {shlex.quote(remote.name)} --default-branch {branch}",
        ),
        _approvals(settings, branch, wanted.approvals, common),
        _build(settings, branch, wanted.build, common),
        *(_reviewers(settings, branch, path, common) for path in wanted.reviewed_paths),
    ]


def _approvals(settings: AzureSettings, branch: str, wanted: int, common: str) -> Finding:
    found = [each["settings"] for each in _in_force(settings, branch, _APPROVERS)]
    kept = any(
        each.get("minimumApproverCount", 0) >= wanted
        and not each.get("creatorVoteCounts", False)
        and each.get("resetOnSourcePush", False)
        for each in found
    )
    said = "; ".join(
        f"{each.get('minimumApproverCount', 0)} approvals, "
        f"author's vote counts: {_yes(each.get('creatorVoteCounts'))}, "
        f"votes reset by a push: {_yes(each.get('resetOnSourcePush'))}"
        for each in found
    )
    return judge(
        f"reviews before a merge into {branch}",
        kept=kept,
        found=said or "none",
        needed=f"{wanted} approvals of the newest push by people other than the author",
        how=f"az repos policy approver-count create {common} --minimum-approver-count {wanted} "
        "--creator-vote-counts false --allow-downvotes false --reset-on-source-push true",
    )


def _build(settings: AzureSettings, branch: str, wanted: str, common: str) -> Finding:
    builds = [each["settings"]["buildDefinitionId"] for each in _in_force(settings, branch, BUILD_POLICY)]
    files = [settings.yaml_files.get(each, "").lstrip("/") for each in builds]
    return judge(
        "checks before a merge",
        kept=wanted in files,
        found=", ".join(files) or "none",
        needed=wanted,
        how=f"az repos policy build create {common} --build-definition-id ID --display-name check "
        f"--manual-queue-only false --queue-on-source-update-only true --valid-duration {_VALID_MINUTES} "
        f"(ID: that of the pipeline of {wanted}, see `az pipelines list`)",
    )


def _reviewers(settings: AzureSettings, branch: str, path: str, common: str) -> Finding:
    policies = [each["settings"] for each in _in_force(settings, branch, _REVIEWERS)]
    fitting = [each for each in policies if path in (each.get("filenamePatterns") or ())]
    people = sum(len(each.get("requiredReviewerIds") or ()) for each in fitting)
    return judge(
        f"required reviewers of {path}",
        kept=people > 0,
        found=f"{people} people or groups" if people else "none",
        needed="at least one: it changes what a stage runs, or where",
        how=f"az repos policy required-reviewer create {common} --path-filter {shlex.quote(path)} "
        "--required-reviewer-ids WHO@EXAMPLE.COM --message 'This changes what a stage runs.'",
    )


def _in_force(settings: AzureSettings, branch: str, kind: str) -> Sequence[Document]:
    """The policies of a kind that block merges into the branch."""
    return [
        each
        for each in settings.policies
        if each["type"]["id"] == kind
        and each.get("isEnabled")
        and each.get("isBlocking")
        and any(_covers(scope, settings, branch) for scope in each["settings"].get("scope", []))
    ]


def _covers(scope: Document, settings: AzureSettings, branch: str) -> bool:
    if scope.get("repositoryId") not in {None, settings.repository["id"]}:
        return False
    reference, name = f"refs/heads/{branch}", scope.get("refName")
    match scope.get("matchKind", "Exact").lower():
        case "defaultbranch":
            return settings.repository.get("defaultBranch") == reference
        case "prefix":
            return reference.startswith(name or "")
        case _:
            return name == reference


def _yes(value: Any) -> str:
    return "yes" if value else "no"


_APPROVAL: Final = "Approval"
_LOCK: Final = "ExclusiveLock"
_BRANCH_CONTROL: Final = "evaluatebranchProtection"
_AZURE: Final = "azurerm"
_FEDERATED: Final = "WorkloadIdentityFederation"


def environment_findings(
    settings: AzureSettings, wanted: Mapping[str, EnvironmentProtection], remote: RemoteAddress
) -> list[Finding]:
    """The findings of every environment: it exists, runs one rollout at a time, and has approvals where required."""
    found: list[Finding] = []
    for name, protection in wanted.items():
        address = f"{remote.origin}/_environments"
        if name not in settings.environments:
            how = f"{address}: new environment {name}, without resources"
            found.append(judge(f"environment {name}", kept=False, found="does not exist", needed="exists", how=how))
            continue
        address = f"{address}/{settings.environments[name]['id']}?view=checks"
        checks = settings.environment_checks[name]
        is_locked = bool(_of_kind(checks, _LOCK))
        found.append(
            judge(
                f"concurrent rollouts to {name}",
                kept=is_locked,
                found="one" if is_locked else "any number",
                needed="one",
                how=f"{address}: add an exclusive lock",
            )
        )
        if protection.reviewers:
            found.append(_approval(name, checks, address))
    return found


def connection_findings(
    settings: AzureSettings, branch: str, wanted: Mapping[str, EnvironmentProtection], remote: RemoteAddress
) -> list[Finding]:
    """The findings of every service connection: it exists, has no secret, and is limited to the branch."""
    found: list[Finding] = []
    for name, protection in wanted.items():
        address = f"{remote.origin}/_settings/adminservices"
        setting, needed = f"service connection {name}", "Azure Resource Manager with workload identity federation"
        connection = settings.connections.get(name)
        if connection is None:
            how = f"{address}: new Azure Resource Manager connection {name}, {needed}"
            found.append(judge(setting, kept=False, found="does not exist", needed=needed, how=how))
            continue
        address = f"{address}?resourceId={connection['id']}"
        scheme = (connection.get("authorization") or {}).get("scheme", "")
        is_kept = (connection.get("type"), scheme) == (_AZURE, _FEDERATED)
        said = f"{connection.get('type')} with {scheme or 'no authentication'}"
        how = f"{address}: convert it to workload identity federation; then no secret is stored"
        found.append(judge(setting, kept=is_kept, found=said, needed=needed, how=how))
        if not protection.any_branch:
            found.append(_branch_control(name, settings.connection_checks[name], branch, address))
    return found


def _approval(name: str, checks: Sequence[Document], address: str) -> Finding:
    approvals = [each.get("settings") or {} for each in _of_kind(checks, _APPROVAL)]
    kept = any(each.get("approvers") and each.get("requesterCannotBeApprover") for each in approvals)
    said = "; ".join(
        f"{len(each.get('approvers') or ())} approvers, self-approval "
        f"{'refused' if each.get('requesterCannotBeApprover') else 'allowed'}"
        for each in approvals
    )
    return judge(
        f"approval before a deployment to {name}",
        kept=kept,
        found=said or "none",
        needed="someone other than the person who started it",
        how=f"{address}: add approvals, and do not allow approvers to approve their own runs",
    )


def _branch_control(name: str, checks: Sequence[Document], branch: str, address: str) -> Finding:
    allowed = [_allowed_branches(each) for each in checks]
    reference = f"refs/heads/{branch}"
    # Every check must pass: one that allows only the branch is enough.
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
