"""`mlops check --repository` on GitHub: what is missing is named, with the way to set it."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops.core.errors import MachineError
from mlops.githost.github.actions import trust_findings
from mlops.githost.github.settings import SUBJECT, Reply, routes, trusted_subjects

from .conftest import (
    EXPECTATIONS,
    EXPECTED,
    ON_GITHUB,
    Protected,
    address,
    changed,
    failing,
    github_documents,
    judged_on_github,
    judged_replies,
    variables,
)

RULES = "rules/branches/main"
CLIENT = {"name": "AZURE_CLIENT_ID", "value": "somebody"}
APPROVALS = {f"approval before a deployment to {name}" for name in ("prod", "infra-shared", "infra-prod")}
ENVIRONMENT = ("environments", "environments")


def without(kind: str) -> list[dict[str, Any]]:
    return [rule for rule in github_documents()[RULES] if rule["type"] != kind]


def test_a_repository_that_is_protected_passes(github: Protected) -> None:
    result = github.check()
    assert result.exit_code == 0, [each for each in result.findings if each.fails]
    assert list(result.findings) == judged_on_github(github_documents())
    assert {each.outcome for each in result.findings} == {"kept"}
    assert any("repo:example@1/credit-default@2:environment:NAME" in each.found for each in result.findings)


CASES: list[tuple[str, Any, str]] = [
    (RULES, without("pull_request"), "reviews before a merge into main"),
    (RULES, without("required_status_checks"), "checks before a merge"),
    (RULES, without("deletion"), "history of main"),
    ("actions/permissions", {"allowed_actions": "all", "sha_pinning_required": True}, "actions that workflows may use"),
    ("actions/permissions", {"allowed_actions": "selected"}, "actions pinned by commit hash"),
    (
        "actions/permissions/selected-actions",
        {"github_owned_allowed": True, "verified_allowed": False, "patterns_allowed": ["*/*"]},
        "actions that workflows may use",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True},
        "default permissions of the workflow token",
    ),
    (
        "actions/permissions/workflow",
        {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
        "workflows may open pull requests",
    ),
    (
        "actions/oidc/customization/sub",
        {"use_default": False, "include_claim_keys": ["repo", "ref"]},
        "subject claim of the Azure login",
    ),
    ("codeowners/errors", {"errors": [{"line": 3, "kind": "Unknown owner"}]}, "code owners"),
    ("environments", {"total_count": 0, "environments": []}, "environment dev"),
    (
        "environments/prod/deployment-branch-policies",
        {"branch_policies": [{"name": "main"}, {"name": "release/*"}]},
        "branches that may use environment prod",
    ),
    (
        "environments/dev/variables",
        {"variables": [{"name": "AZURE_CLIENT_ID", "value": "x"}]},
        "variables of environment dev",
    ),
    ("environments/gate/variables", variables("prod"), "identities of the environments"),
    ("actions/variables", {"variables": []}, "variables of the repository"),
]


@pytest.mark.parametrize(("place", "document", "setting"), CASES, ids=[f"{case[0]}: {case[2]}" for case in CASES])
def test_what_is_not_as_needed_is_named_with_the_way_to_set_it(place: str, document: Any, setting: str) -> None:
    found = failing(judged_on_github(github_documents() | {place: document}))
    assert found[setting].how.startswith(("gh api ", "https://github.com/example/", "name people"))


def test_the_commands_that_are_printed_set_it(github: Protected) -> None:
    # given a repository as GitHub makes it, but for the environments of the stages after dev
    documents = github_documents()
    others = documents["environments"]["environments"][1:]
    github.git_host.set_document("environments", {"total_count": len(others), "environments": others})
    for place in documents:
        if place.startswith("environments/dev/"):
            github.git_host.set_document(place, None)
    github.git_host.set_document("actions/variables", {"variables": []})
    github.git_host.set_document("actions/permissions/selected-actions", None)
    github.git_host.set_document("actions/permissions", {"enabled": True, "allowed_actions": "all"})
    github.git_host.set_document(
        "actions/permissions/workflow",
        {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": False},
    )
    github.git_host.set_document(
        "actions/oidc/customization/sub", {"use_default": False, "include_claim_keys": ["ref"]}
    )

    # when every command is typed, in two rounds: an environment must be there before its variables
    for _ in range(2):
        for each in {finding.how for finding in github.failing().values()}:
            for command in each.split(" && ") if each.startswith("gh api") else ():
                words = shlex.split(command)
                done = subprocess.run(words, cwd=github.root, capture_output=True, text=True, check=False)
                assert done.returncode == 0, (command, done.stderr)

    # then nothing is left
    assert github.failing() == {}


def test_a_pattern_that_the_switch_covers_already_does_no_harm() -> None:
    place = "actions/permissions/selected-actions"
    patterns = ["actions/*", *github_documents()[place]["patterns_allowed"]]
    assert failing(judged_on_github(changed(github_documents(), place, "patterns_allowed", to=patterns))) == {}


def test_an_environment_for_anybody_is_named() -> None:
    documents = changed(github_documents(), *ENVIRONMENT, 1, "deployment_branch_policy", to=None)
    assert failing(judged_on_github(documents))["branches that may use environment staging"].found == "all"


def test_an_approval_that_one_gives_oneself_is_none() -> None:
    setting, rules = "approval before a deployment to prod", (*ENVIRONMENT, 2, "protection_rules")
    own = changed(github_documents(), *rules, 0, "prevent_self_review", to=False)
    assert "self-review allowed" in failing(judged_on_github(own))[setting].found
    assert "0 reviewers" in failing(judged_on_github(changed(github_documents(), *rules, to=[])))[setting].found


def test_what_a_private_repository_cannot_have_is_said_and_does_not_fail() -> None:
    private = changed(github_documents(), "", "private", to=True)
    for number in (2, 6, 9):
        private = changed(private, *ENVIRONMENT, number, "protection_rules", to=[])

    findings = judged_on_github(private)

    assert failing(findings) == {}
    said = {each.setting: each for each in findings if each.outcome == "unavailable"}
    assert set(said) == {*APPROVALS, "attestations"}
    assert "the review of the pull request decides" in said["approval before a deployment to prod"].needed

    # but with Enterprise it is missing
    enterprise = private | {"orgs": {"plan": {"name": "enterprise"}}}
    assert set(failing(judged_on_github(enterprise))) == APPROVALS


def test_a_plan_without_protected_branches_is_said() -> None:
    upgrade = {"http_status": 403, "message": "Upgrade to GitHub Pro or make this repository public to enable this"}
    found = {each.setting: each.outcome for each in judged_on_github(github_documents() | {RULES: upgrade})}
    assert found["protection of main"] == "unavailable"


def test_what_cannot_be_read_is_not_taken_for_kept() -> None:
    denied = {"http_status": 403, "message": "Must have admin rights to Repository."}
    places = ("actions/permissions", "actions/permissions/workflow", "environments/dev/variables")
    found = failing(judged_on_github(github_documents() | dict.fromkeys(places, denied)))
    assert {each.outcome for each in found.values()} == {"unreadable"}


def test_what_is_to_be_typed_holds_no_command_of_others() -> None:
    hostile = dataclasses.replace(address("https://github.com/o/r"), owner="$(touch pwned)", name="`touch pwned`;x")
    replies = {route: Reply(404, None, "Not Found") for route in routes(EXPECTED.branch, ON_GITHUB)}
    replies |= {"": Reply(200, {"private": False}), RULES: Reply(200, [])}
    replies |= {"actions/permissions": Reply(200, {}), "environments?per_page=100": Reply(200, {"environments": []})}
    typed = [each.how for each in judged_replies(replies, hostile) if each.how.startswith("gh api")]
    assert typed
    for command in typed:
        words = shlex.split(command)
        assert words[4].startswith("repos/$(touch pwned)/`touch pwned`;x/")


def test_classic_protection_counts_as_well() -> None:
    classic = {
        "required_pull_request_reviews": {
            "required_approving_review_count": 2,
            "dismiss_stale_reviews": True,
            "require_code_owner_reviews": True,
            "require_last_push_approval": True,
        },
        "required_status_checks": {"strict": True, "contexts": ["check", "gate"]},
        "allow_force_pushes": {"enabled": False},
        "allow_deletions": {"enabled": False},
    }
    documents = github_documents() | {RULES: [], "branches/main/protection": classic}
    assert failing(judged_on_github(documents)) == {}
    weaker = changed(documents, "branches/main/protection", "allow_force_pushes", "enabled", to=True)
    assert set(failing(judged_on_github(weaker))) == {"history of main"}


def test_the_command_prints_a_table_and_what_to_do(github: Protected) -> None:
    github.git_host.set_document("codeowners/errors", {"errors": [{"line": 3, "kind": "Unknown owner"}]})
    shutil.copy(EXPECTATIONS.parents[1] / "project.yml", github.root)
    command = [sys.executable, "-m", "mlops", "check", "--repository"]
    done = subprocess.run(command, cwd=github.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if "line 3: Unknown owner" in line]
    assert row.split()[:3] == ["MISSING", "code", "owners"]
    assert "1 setting does not meet releases/protection.yml" in done.stdout


def test_nobody_logged_in_is_told(github: Protected) -> None:
    github.git_host.log_out()
    with pytest.raises(MachineError) as caught:
        github.check()
    assert "gh auth login" in caught.value.advice


def test_a_stack_that_trusts_another_repository_is_named(tmp_path: Path) -> None:
    # given stacks that trust the repository, its name before a transfer, and its name without the ids
    (tmp_path / "infra").mkdir()
    trusted = {
        "dev": "{organisation: example, repository: credit-default, organisation_id: 1, repository_id: 2}",
        "staging": "{organisation: before, repository: credit-default, organisation_id: 7, repository_id: 2}",
        "prod": "{organisation: example, repository: credit-default, subject: names}",
    }
    for stack, github in trusted.items():
        text = f"config:\n  infra:ci:\n    github: {github}\n"
        (tmp_path / "infra" / f"Pulumi.{stack}.yaml").write_text(text)
    replies = {SUBJECT: Reply(200, github_documents()[SUBJECT])}
    # when they are compared with what GitHub puts into tokens
    (finding,) = trust_findings(replies, trusted_subjects(tmp_path))
    # then both others are named, with the values to set
    assert finding.outcome == "missing"
    assert finding.found == (
        "Pulumi.prod.yaml: repo:example/credit-default; Pulumi.staging.yaml: repo:before@7/credit-default@2"
    )
    assert "`organisation: example`, `repository: credit-default`, `organisation_id: 1`" in finding.how
    # and a stack that trusts this repository is not
    (only,) = trust_findings(replies, {"Pulumi.dev.yaml": trusted_subjects(tmp_path)["Pulumi.dev.yaml"]})
    assert only.outcome == "kept"
