"""The fake of `az` does to a real repository what Azure DevOps does, and refuses what it does not know."""

from __future__ import annotations

import json

import pytest
from fake_git_host.rules import BUILD, MINIMUM_REVIEWERS

from .conftest import Work

CREATE = ("az", "repos", "pr", "create", "--source-branch", "b", "--target-branch", "main", "--output", "json")
WHERE = ("--org", "https://dev.azure.com/example", "--project", "scoring")


def test_a_pull_request_is_opened_found_updated_and_completed_by_real_git(azure: Work) -> None:
    azure.propose("b", {"releases/prod.yml": "two\n"})

    opened = azure.answer(*CREATE, "--title=Promote", "--description", "first line", "second line")
    number = str(opened["pullRequestId"])
    (listed,) = azure.answer("az", "repos", "pr", "list", "--source-branch", "b", "--status", "active")
    azure.answer("az", "repos", "pr", "update", "--id", number, "--title=Promote m 1", "--description=--help")
    done = azure.answer("az", "repos", "pr", "update", "--id", number, "--status", "completed", "--squash", "false")

    assert (listed["description"], listed["mergeStatus"]) == ("first line\nsecond line", "succeeded")
    assert (done["status"], done["title"], done["description"]) == ("completed", "Promote m 1", "--help")
    assert done["repository"]["webUrl"] == "https://dev.azure.com/example/scoring/_git/credit-default"
    azure.git("fetch", "--quiet", "origin")
    assert azure.git("rev-parse", "origin/main") == done["lastMergeCommit"]["commitId"]
    assert azure.git("show", "origin/main:releases/prod.yml") == "two"


def test_policies_hold_back_what_is_not_approved_and_built(azure: Work) -> None:
    reviewers = {"minimumApproverCount": 1, "resetOnSourcePush": True}
    azure.host.set_document(
        "policies",
        [
            {"isEnabled": True, "isBlocking": True, "type": {"id": MINIMUM_REVIEWERS}, "settings": reviewers},
            {"isEnabled": True, "isBlocking": True, "type": {"id": BUILD}, "settings": {"displayName": "gate"}},
        ],
    )
    azure.propose("b", {"releases/prod.yml": "two\n"})
    azure.answer(*CREATE, "--title=t")
    complete = ("az", "repos", "pr", "update", "--id", "1", "--status", "completed")

    assert "it needs 1 approvals and has 0" in azure.run(*complete).stderr
    vote = ("az", "repos", "pr", "set-vote", "--id", "1", "--vote", "approve")
    assert "approve your own" in azure.run(*vote).stderr
    assert azure.answer(*vote, token=azure.host.token("reviewer"))["vote"] == 10
    assert "required checks have not passed: gate" in azure.run(*complete).stderr
    azure.host.report_check(1, "gate", "success")
    assert azure.run(*complete).returncode == 0


def test_a_report_becomes_a_thread(azure: Work) -> None:
    azure.propose("b", {"a": "1"})
    azure.answer(*CREATE, "--title=t")
    body = azure.folder / "thread.json"
    body.write_text(json.dumps({"comments": [{"content": "report", "commentType": 1}], "status": "closed"}))
    route = ("project=scoring", "repositoryId=credit-default", "pullRequestId=1")
    azure.answer(
        *("az", "devops", "invoke", *WHERE[:2], "--area", "git", "--resource", "pullRequestThreads"),
        *("--route-parameters", *route, "--http-method", "POST", "--in-file", str(body), "--api-version", "7.1"),
    )
    assert [each.body for each in azure.host.pull_request(1).comments] == ["report"]


def test_a_description_has_its_limit(azure: Work) -> None:
    azure.propose("b", {"a": "1"})
    assert "may not be longer than 4000" in azure.run(*CREATE, "--title=t", f"--description={'x' * 4001}").stderr


def test_a_pipeline_needs_a_token(azure: Work) -> None:
    listing = ("az", "repos", "pr", "list")
    assert "you need to run the login command" in azure.run(*listing, TF_BUILD="True").stderr
    token = azure.host.token("Build Service")
    assert azure.run(*listing, TF_BUILD="True", AZURE_DEVOPS_EXT_PAT=token).returncode == 0


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("repos", "pr", "delete"), 2, "misspelled or not recognized"),
        (("vm", "list"), 2, "misspelled or not recognized"),
        (("repos", "pr", "list", "--branch", "b"), 2, "unrecognized arguments: --branch"),
        (("repos", "pr", "show"), 2, "expected a value: --id"),
        (("repos", "pr", "show", "--id", "7"), 1, "TF401180"),
        (("repos", "show", "--repository", "other"), 1, "TF401019"),
        (("repos", "policy", "list", "--org", "https://dev.azure.com/other"), 1, "404"),
        (("repos", "policy", "list", "--detect", "false"), 1, "--organization must be specified"),
        (("devops", "invoke", *WHERE, "--area", "wit", "--resource", "workItems"), 1, "not in the list"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_unknown_requests_are_refused(shared_azure: Work, command: tuple[str, ...], code: int, message: str) -> None:
    done = shared_azure.run("az", *command)
    assert done.returncode == code
    assert message in done.stderr
