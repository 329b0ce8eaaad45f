"""Repository protection: nothing by default, and releases/protection.yml where a repository is named."""

from __future__ import annotations

from typing import Any

import yaml

from dry_run.result import DryRun
from tests.conftest import GROUP, SAMPLE, STACKS, run_changed

EXPECTED = yaml.safe_load((SAMPLE / "releases" / "protection.yml").read_text(encoding="utf-8"))
GITHUB = {"organisation": "o", "repository": "r", "reviewer_team_ids": [7]}
DEVOPS = {
    "project_id": GROUP,
    "repository_id": GROUP,
    "build_definition_id": 3,
    "release_reviewer_ids": [GROUP],
    "environment_ids": {"dev": 3, "staging": 4, "prod": 5} | {f"infra-{stack}": 6 for stack in STACKS if stack != "ci"},
    "approver_ids": [GROUP],
}


def named(found: DryRun) -> dict[str, dict[str, Any]]:
    return {record.name: record.inputs for record in found.resources}


def test_by_default_it_declares_nothing() -> None:
    assert not run_changed("repository", {}).resources


def test_github_is_protected() -> None:
    # when the repository on GitHub is named
    found = named(run_changed("repository", {"github": GITHUB}))
    # then the branch accepts reviewed and checked changes only
    rules = found["default-branch"]["rules"]
    assert found["default-branch"]["enforcement"] == "active"
    assert isinstance(rules, dict)
    assert rules["pullRequest"]["requiredApprovingReviewCount"] >= 1
    assert rules["nonFastForward"]
    assert {check["context"] for check in rules["requiredStatusChecks"]["requiredChecks"]} == set(
        EXPECTED["github"]["pull_requests"]["checks"]
    )
    # and each environment of the workflows is for the default branch only, prod's after a review
    expected = EXPECTED["github"]["environments"]
    assert {f"environment-{name}" for name in expected} <= found.keys()
    for name, wanted in expected.items():
        assert bool(found[f"environment-{name}"]["reviewers"]) == wanted.get("reviewers", False)
        if wanted.get("any_branch"):
            assert f"environment-{name}-branch" not in found
        else:
            assert found[f"environment-{name}-branch"]["branchPattern"] == "main"
    assert sum(name.endswith("-branch") for name in found if name.startswith("environment-")) == len(expected) - 2
    # and actions are pinned, with a token that reads
    assert found["actions"]["shaPinningRequired"]
    assert found["workflow-token"]["defaultWorkflowPermissions"] == "read"


def test_azure_devops_is_protected() -> None:
    found = named(run_changed("repository", {"azure_devops": DEVOPS}))
    assert found["reviews"]["settings"]["submitterCanVote"] is False
    assert found["checks"]["settings"]["buildDefinitionId"] == 3
    expected = EXPECTED["azure_devops"]
    assert found["release-reviews"]["settings"]["pathFilters"] == expected["pull_requests"]["reviewed_paths"]
    # and each environment has one run at a time, those with reviewers after an approval
    assert {name for name in found if name.startswith("one-at-a-time-")} == {
        f"one-at-a-time-{name}" for name in expected["environments"]
    }
    assert {name for name in found if name.startswith("approval-")} == {
        f"approval-{name}" for name, wanted in expected["environments"].items() if wanted.get("reviewers")
    }
    assert all(found[name]["blocking"] for name in ("reviews", "checks", "release-reviews"))
    assert found["approval-prod"]["requesterCanApprove"] is False
