"""Repository protection: nothing as shipped, and what it declares when filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from tests.conftest import GROUP, STACKS, changed

PROTECTION = Path(__file__).parents[2] / "releases" / "protection.yml"
GITHUB = {
    "organisation": "o",
    "repository": "r",
    "required_checks": ["check", "gate"],
    "reviewer_team_ids": [7],
}
DEVOPS = {
    "project_id": GROUP,
    "repository_id": GROUP,
    "build_definition_id": 3,
    "release_reviewer_ids": [GROUP],
    "environment_ids": {"dev": 3, "staging": 4, "prod": 5} | {f"infra-{stack}": 6 for stack in STACKS if stack != "ci"},
    "approver_ids": [GROUP],
}


def named(found: Rehearsal) -> dict[str, dict[str, Any]]:
    return {record.name: record.inputs for record in found.resources}


def test_as_shipped_it_makes_nothing() -> None:
    assert not rehearse("repository").resources


def test_github_is_protected() -> None:
    # when the GitHub part is filled in
    found = named(rehearse("repository", changed("repository", {"github": GITHUB})))
    # then the branch takes reviewed and checked changes only
    rules = found["default-branch"]["rules"]
    assert found["default-branch"]["enforcement"] == "active"
    assert isinstance(rules, dict)
    assert rules["pullRequest"]["requiredApprovingReviewCount"] >= 1
    assert rules["nonFastForward"]
    assert {check["context"] for check in rules["requiredStatusChecks"]["requiredChecks"]} == {"check", "gate"}
    # and each environment of the workflows is for the default branch only, prod's after a review
    expected = yaml.safe_load(PROTECTION.read_text())["github"]["environments"]
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
    found = named(rehearse("repository", changed("repository", {"azure_devops": DEVOPS})))
    assert found["reviews"]["settings"]["submitterCanVote"] is False
    assert found["checks"]["settings"]["buildDefinitionId"] == 3
    expected = yaml.safe_load(PROTECTION.read_text())["azure_devops"]
    assert found["release-reviews"]["settings"]["pathFilters"] == expected["pull_requests"]["reviewed_paths"]
    # and each environment takes one run at a time, those with reviewers after an approval
    assert {name for name in found if name.startswith("one-at-a-time-")} == {
        f"one-at-a-time-{name}" for name in expected["environments"]
    }
    assert {name for name in found if name.startswith("approval-")} == {
        f"approval-{name}" for name, wanted in expected["environments"].items() if wanted.get("reviewers")
    }
    assert all(found[name]["blocking"] for name in ("reviews", "checks", "release-reviews"))
    assert found["approval-prod"]["requesterCanApprove"] is False
