"""The policies of a branch in Azure DevOps, held against what is needed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from mlops.core.remote_address import RemoteAddress
from mlops.protection.azure_settings import BUILD_POLICY, AzureSettings, Document
from mlops.protection.finding import Finding, judge
from mlops.settings.protection import Expectations

_APPROVERS: Final = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
_REVIEWERS: Final = "fd2167ab-b0be-447a-8ec8-39368250530e"
_VALID_MINUTES: Final = 720


def policy_findings(settings: AzureSettings, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """The findings about what a merge needs."""
    common = (
        f"--org {shlex.quote(remote.organisation)} --project {shlex.quote(remote.project)} "
        f"--repository-id {settings.repository['id']} --branch {shlex.quote(expected.branch)} "
        "--enabled true --blocking true"
    )
    default = settings.repository.get("defaultBranch", "")
    return [
        judge(
            "default branch",
            kept=default == f"refs/heads/{expected.branch}",
            found=default or "none",
            needed=f"refs/heads/{expected.branch}",
            how=f"az repos update --repository {shlex.quote(remote.name)} --default-branch {expected.branch}",
        ),
        _approvals(settings, expected, common),
        _build(settings, expected, common),
        *(_reviewers(settings, expected, path, common) for path in expected.azure_devops.pull_requests.reviewed_paths),
    ]


def _approvals(settings: AzureSettings, expected: Expectations, common: str) -> Finding:
    wanted = expected.azure_devops.pull_requests.approvals
    found = [each["settings"] for each in _in_force(settings, expected, _APPROVERS)]
    kept = any(
        each.get("minimumApproverCount", 0) >= wanted
        and not each.get("creatorVoteCounts", False)
        and each.get("resetOnSourcePush", False)
        for each in found
    )
    said = "; ".join(
        f"{each.get('minimumApproverCount', 0)} approvals, own votes count: {_yes(each.get('creatorVoteCounts'))}, "
        f"votes fall at a push: {_yes(each.get('resetOnSourcePush'))}"
        for each in found
    )
    return judge(
        f"reviews before a merge into {expected.branch}",
        kept=kept,
        found=said or "none",
        needed=f"{wanted} approvals by others, of the newest push",
        how=f"az repos policy approver-count create {common} --minimum-approver-count {wanted} "
        "--creator-vote-counts false --allow-downvotes false --reset-on-source-push true",
    )


def _build(settings: AzureSettings, expected: Expectations, common: str) -> Finding:
    wanted = expected.azure_devops.pull_requests.build
    builds = [each["settings"]["buildDefinitionId"] for each in _in_force(settings, expected, BUILD_POLICY)]
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


def _reviewers(settings: AzureSettings, expected: Expectations, path: str, common: str) -> Finding:
    policies = [each["settings"] for each in _in_force(settings, expected, _REVIEWERS)]
    fitting = [each for each in policies if path in (each.get("filenamePatterns") or ())]
    people = sum(len(each.get("requiredReviewerIds") or ()) for each in fitting)
    return judge(
        f"who must review {path}",
        kept=people > 0,
        found=f"{people} people or groups" if people else "nobody",
        needed="somebody: it changes what a stage runs, or runs on",
        how=f"az repos policy required-reviewer create {common} --path-filter {shlex.quote(path)} "
        "--required-reviewer-ids WHO@EXAMPLE.COM --message 'This changes what a stage runs.'",
    )


def _in_force(settings: AzureSettings, expected: Expectations, kind: str) -> Sequence[Document]:
    """The policies of a kind that block merges into the branch."""
    return [
        each
        for each in settings.policies
        if each["type"]["id"] == kind
        and each.get("isEnabled")
        and each.get("isBlocking")
        and any(_covers(scope, settings, expected.branch) for scope in each["settings"].get("scope", []))
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
