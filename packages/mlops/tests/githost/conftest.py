"""Repositories whose settings are as the template needs them, on each git host, for tests to change one setting."""

from __future__ import annotations

import copy
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_git_host import FakeAzureDevOps, FakeGitHost, FakeGitHub
from fake_git_host.az.documents import guid

from mlops.checks.protection import ProtectionResult, check_repository, read_expectations
from mlops.githost.azure_devops import protection as azure_protection
from mlops.githost.azure_devops.settings import AzureDevOpsExpectations, AzureSettings
from mlops.githost.github import protection as github_protection
from mlops.githost.github.settings import GitHubExpectations, Reply, routes
from mlops.githost.hosts import parse_remote
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Finding
from mlops.settings.project import Project, load_project
from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

EXPECTATIONS = Path(__file__).parents[4] / "releases" / "protection.yml"
FEDERATED = "WorkloadIdentityFederation"
REPOSITORY_ID = guid("example/scoring/credit-default")
EXPECTED = read_expectations(EXPECTATIONS.parents[1], ORDER)
ON_GITHUB = EXPECTED.section("github", GitHubExpectations)
IN_AZURE_DEVOPS = EXPECTED.section("azure_devops", AzureDevOpsExpectations)
VARIABLES = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")


@dataclass(frozen=True)
class Protected:
    """A clone of a repository, and the git host that it is on."""

    git_host: FakeGitHost
    root: Path

    def check(self) -> ProtectionResult:
        """What `mlops check --repository` says."""
        return check_repository(Project(root=self.root, settings=load_project(EXPECTATIONS.parents[1]).settings))

    def failing(self) -> dict[str, Finding]:
        """What is to be done, by setting."""
        return failing(list(self.check().findings))


def changed(documents: dict[str, Any], *keys: str | int, to: Any) -> dict[str, Any]:
    """Documents with a value deep in them set."""
    whole: Any = copy.deepcopy(documents)
    at = whole
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = to
    return whole


def judged_on_github(documents: dict[str, Any]) -> list[Finding]:
    """What is found where GitHub answers with these documents; no program is started."""
    asked = {route: documents.get(route.partition("?")[0]) for route in routes(EXPECTED.branch, ON_GITHUB)}
    replies = {route: _reply(answer) for route, answer in asked.items()}
    return judged_replies(
        replies | {"": Reply(200, documents[""])}, address("https://github.com/example/credit-default")
    )


def judged_replies(replies: dict[str, Reply], remote: RemoteAddress) -> list[Finding]:
    """What is found where GitHub gives these replies."""
    return github_protection.protection_findings(replies, EXPECTED.branch, ON_GITHUB, remote)


def address(url: str) -> RemoteAddress:
    """A repository of a git host."""
    found = parse_remote(url)
    assert found
    return found


def _reply(answer: Any) -> Reply:
    if answer is None:
        return Reply(404, None, "Not Found")
    if isinstance(answer, dict) and "http_status" in answer:
        return Reply(answer["http_status"], None, answer["message"])
    return Reply(200, answer)


def judged_on_azure(documents: dict[str, Any]) -> list[Finding]:
    """What is found where Azure DevOps answers with these documents; no program is started."""
    wanted = IN_AZURE_DEVOPS

    def checks(kind: str, place: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        resource = {"type": kind, "id": place["id"]}
        return tuple(each for each in documents["checks"] if each["resource"] == resource)

    places = {each["name"]: each for each in documents["environments"] if each["name"] in wanted.environments}
    logins = {each["name"]: each for each in documents["service-endpoints"] if each["name"] in wanted.connections}
    settings = AzureSettings(
        repository={"id": REPOSITORY_ID, "defaultBranch": "refs/heads/main"},
        policies=tuple(documents["policies"]),
        yaml_files={each["id"]: each["process"]["yamlFilename"] for each in documents["pipelines"]},
        environments=places,
        connections=logins,
        environment_checks={name: checks("environment", place) for name, place in places.items()},
        connection_checks={name: checks("endpoint", login) for name, login in logins.items()},
    )
    remote = address("https://dev.azure.com/example/scoring/_git/credit-default")
    return azure_protection.protection_findings(settings, EXPECTED.branch, wanted, remote)


def failing(findings: list[Finding]) -> dict[str, Finding]:
    """What is to be done, by setting."""
    return {each.setting: each for each in findings if each.fails}


def protected(git_host: FakeGitHost, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Protected:
    git_host.begin({"README.md": "hello\n"})
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "TF_BUILD", "AZURE_DEVOPS_EXT_PAT"):
        if name in os.environ:
            monkeypatch.delenv(name)
    for name, value in git_host.variables().items():
        monkeypatch.setenv(name, value)
    root = git_host.clone(folder)
    (root / "releases").mkdir()
    shutil.copy(EXPECTATIONS, root / "releases")
    return Protected(git_host, root)


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Protected:
    git_host = FakeGitHub.make(tmp_path / "git-host")
    for place, document in github_documents().items():
        git_host.set_document(place, document)
    return protected(git_host, tmp_path / "clone", monkeypatch)


def github_documents() -> dict[str, Any]:
    branches = {"total_count": 1, "branch_policies": [{"name": "main", "type": "branch"}]}
    places = tuple(ON_GITHUB.environments)
    return {
        "": {"name": "credit-default", "private": False, "visibility": "public", "default_branch": "main"},
        "rules/branches/main": [
            {
                "type": "pull_request",
                "parameters": {
                    "required_approving_review_count": 1,
                    "dismiss_stale_reviews_on_push": True,
                    "require_code_owner_review": True,
                    "require_last_push_approval": True,
                },
            },
            {
                "type": "required_status_checks",
                "parameters": {
                    "strict_required_status_checks_policy": True,
                    "required_status_checks": [{"context": "check"}, {"context": "gate"}],
                },
            },
            {"type": "non_fast_forward"},
            {"type": "deletion"},
        ],
        "actions/permissions": {"enabled": True, "allowed_actions": "selected", "sha_pinning_required": True},
        "actions/permissions/selected-actions": {
            "github_owned_allowed": True,
            "verified_allowed": False,
            "patterns_allowed": ["astral-sh/*", "azure/*", "pulumi/*"],
        },
        "actions/permissions/workflow": {
            "default_workflow_permissions": "read",
            "can_approve_pull_request_reviews": True,
        },
        "actions/oidc/customization/sub": {
            "use_default": True,
            "use_immutable_subject": True,
            "sub_claim_prefix": "repo:example@1/credit-default@2",
        },
        "codeowners/errors": {"errors": []},
        "environments": {"total_count": len(places), "environments": [environment(name) for name in places]},
        **{f"environments/{name}/deployment-branch-policies": branches for name in places},
        **{f"environments/{name}/variables": variables(name) for name in places},
        "actions/variables": {"total_count": 1, "variables": [{"name": "PULUMI_BACKEND_URL", "value": "azblob://x"}]},
    }


def variables(environment: str) -> dict[str, Any]:
    return {"variables": [{"name": name, "value": f"{name} of {environment}"} for name in VARIABLES]}


def environment(name: str) -> dict[str, Any]:
    reviewers = {"type": "required_reviewers", "prevent_self_review": True, "reviewers": [{"type": "Team"}]}
    policy = {"protected_branches": False, "custom_branch_policies": True}
    return {
        "name": name,
        "can_admins_bypass": False,
        "protection_rules": [reviewers] if name.endswith(("prod", "shared")) else [],
        "deployment_branch_policy": None if name in {"gate", "infra-preview"} else policy,
    }


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Protected:
    git_host = FakeAzureDevOps.make(tmp_path / "git-host")
    for place, document in azure_documents().items():
        git_host.set_document(place, document)
    return protected(git_host, tmp_path / "clone", monkeypatch)


def azure_documents() -> dict[str, Any]:
    scope = [{"repositoryId": REPOSITORY_ID, "refName": "refs/heads/main", "matchKind": "Exact"}]
    rooms, places = tuple(IN_AZURE_DEVOPS.environments), tuple(IN_AZURE_DEVOPS.connections)
    lock = [check("ExclusiveLock", "environment", number) for number in range(1, len(rooms) + 1)]
    approval = {"approvers": [{"id": "1"}], "requesterCannotBeApprover": True, "minRequiredApprovers": 1}
    control = {
        "definitionRef": {"name": "evaluatebranchProtection"},
        "inputs": {"allowedBranches": "refs/heads/main", "ensureProtectionOfBranch": "true"},
    }
    controls = {
        name: check("Task Check", "endpoint", f"c-{name}", control)
        for name in places
        if name not in {"gate", "infra-preview"}
    }
    approvals = [
        check("Approval", "environment", number, approval)
        for number, name in enumerate(rooms, start=1)
        if name.endswith(("prod", "shared"))
    ]
    return {
        "policies": [
            policy("fa4e907d-c16b-4a4c-9dfa-4906e5d171dd", scope, minimumApproverCount=1, resetOnSourcePush=True),
            policy("0609b952-1397-4640-95ec-e00a01b2c241", scope, buildDefinitionId=5, displayName="check"),
            policy(
                "fd2167ab-b0be-447a-8ec8-39368250530e",
                scope,
                requiredReviewerIds=["1"],
                filenamePatterns=list(IN_AZURE_DEVOPS.pull_requests.reviewed_paths),
            ),
        ],
        "pipelines": [{"id": 5, "name": "ci", "process": {"yamlFilename": "/azure-pipelines.yml"}}],
        "environments": [{"id": number, "name": name} for number, name in enumerate(rooms, start=1)],
        "service-endpoints": [
            {
                "id": f"c-{name}",
                "name": name,
                "type": "azurerm",
                "authorization": {"scheme": "WorkloadIdentityFederation"},
            }
            for name in places
        ],
        "checks": [*approvals, *lock, *controls.values()],
    }


def policy(kind: str, scope: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    return {"isEnabled": True, "isBlocking": True, "type": {"id": kind}, "settings": settings | {"scope": scope}}


def check(kind: str, resource: str, number: int | str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": {"name": kind}, "resource": {"type": resource, "id": number}, "settings": settings or {}}
