"""The policies of a branch in Azure DevOps, held against what is needed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from mlops.githost.azure_devops.expectations import MergeRequirements
from mlops.githost.azure_devops.settings import BUILD_POLICY, AzureSettings, Document, organisation_url
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Finding, judge

_APPROVERS: Final = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
_REVIEWERS: Final = "fd2167ab-b0be-447a-8ec8-39368250530e"
_VALID_MINUTES: Final = 720


def policy_findings(
    settings: AzureSettings, branch: str, wanted: MergeRequirements, remote: RemoteAddress
) -> list[Finding]:
    """The findings about what a merge needs."""
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
        f"{each.get('minimumApproverCount', 0)} approvals, own votes count: {_yes(each.get('creatorVoteCounts'))}, "
        f"votes fall at a push: {_yes(each.get('resetOnSourcePush'))}"
        for each in found
    )
    return judge(
        f"reviews before a merge into {branch}",
        kept=kept,
        found=said or "none",
        needed=f"{wanted} approvals by others, of the newest push",
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
        f"who must review {path}",
        kept=people > 0,
        found=f"{people} people or groups" if people else "nobody",
        needed="somebody: it changes what a stage runs, or runs on",
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
