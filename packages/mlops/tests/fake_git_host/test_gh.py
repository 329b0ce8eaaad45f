"""The fake of `gh` does to a real repository what gh does, and refuses what it does not know."""

from __future__ import annotations

import pytest
from fake_git_host.events import pull_request, push
from fake_git_host.pulls import PullRefused
from fake_git_host.rules import APPROVED

from .conftest import Work

PROTECTED = [
    {
        "type": "pull_request",
        "parameters": {"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": True},
    },
    {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "gate"}]}},
]


def open_one(work: Work, branch: str = "promote/prod/m-1", text: str = "two\n") -> int:
    work.propose(branch, {"releases/prod.yml": text})
    what = ("--head", branch, "--base", "main", "--title", "Promote", "--body", "report")
    done = work.run("gh", "pr", "create", *what)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.strip().rsplit("/", 1)[1])


def test_a_pull_request_is_opened_found_edited_and_merged_by_real_git(github: Work) -> None:
    number = open_one(github)

    (listed,) = github.answer("gh", "pr", "list", "--head", "promote/prod/m-1", "--json", "number,url,headRefOid")
    assert listed["url"] == f"https://github.com/example/credit-default/pull/{number}"
    assert github.run("gh", "pr", "edit", str(number), "--title", "Promote m 1").returncode == 0
    merged = github.run("gh", "pr", "merge", str(number), "--merge", "--delete-branch")

    assert merged.returncode == 0, merged.stderr
    view = github.answer("gh", "pr", "view", str(number), "--json", "state,title,mergeCommit,mergedBy,files")
    assert (view["state"], view["title"]) == ("MERGED", "Promote m 1")
    assert view["files"] == [{"path": "releases/prod.yml"}]
    github.git("fetch", "--quiet", "--prune", "origin")
    assert github.git("rev-parse", "origin/main") == view["mergeCommit"]["oid"]
    assert github.git("show", "origin/main:releases/prod.yml") == "two"
    assert len(github.git("rev-list", "--parents", "-n", "1", "origin/main").split()) == 3
    assert "promote/prod/m-1" not in github.git("branch", "--remotes")


def test_a_squash_has_one_parent(github: Work) -> None:
    assert github.run("gh", "pr", "merge", str(open_one(github)), "--squash").returncode == 0
    github.git("fetch", "--quiet", "origin")
    assert len(github.git("rev-list", "--parents", "-n", "1", "origin/main").split()) == 2


def test_a_second_pull_request_of_a_branch_is_refused_with_the_address_of_the_first(github: Work) -> None:
    number = open_one(github)
    what = ("--head", "promote/prod/m-1", "--base", "main", "--title", "t", "--body", "b")
    done = github.run("gh", "pr", "create", *what)
    assert done.returncode == 1
    assert f"already exists:\nhttps://github.com/example/credit-default/pull/{number}" in done.stderr


def test_a_conflict_is_seen_and_not_merged(github: Work) -> None:
    first, second = open_one(github, "one"), open_one(github, "other", "three\n")
    assert github.run("gh", "pr", "merge", str(first), "--merge").returncode == 0

    view = github.answer("gh", "pr", "view", str(second), "--json", "mergeable,mergeStateStatus")
    done = github.run("gh", "pr", "merge", str(second), "--merge")

    assert view == {"mergeable": "CONFLICTING", "mergeStateStatus": "DIRTY"}
    assert done.returncode == 1
    assert "cannot be cleanly created" in done.stderr


def test_a_protected_branch_asks_for_a_review_by_another_of_the_newest_commit_and_for_checks(github: Work) -> None:
    github.host.set_document("rules/branches/main", PROTECTED)
    number = open_one(github)
    merge = ("gh", "pr", "merge", str(number), "--merge")
    assert "1 approvals and has 0" in github.run(*merge).stderr

    own = github.run("gh", "pr", "review", str(number), "--approve")
    assert (own.returncode, "approve your own" in own.stderr) == (1, True)
    reviewer = github.host.token("reviewer")
    assert github.run("gh", "pr", "review", str(number), "--approve", token=reviewer).returncode == 0
    github.propose("promote/prod/m-1", {"releases/prod.yml": "sneaked in\n"})
    assert "1 approvals and has 0" in github.run(*merge).stderr
    github.host.approve(number)
    assert "required checks have not passed: gate" in github.run(*merge).stderr
    github.host.report_check(number, "gate", "success")

    assert github.run(*merge).returncode == 0


def test_a_workflow_needs_a_token_and_the_permission_to_open_pull_requests(github: Work) -> None:
    github.propose("b", {"a": "1"})
    create = ("gh", "pr", "create", "--head", "b", "--title", "t", "--body", "b")
    without = github.run(*create, GITHUB_ACTIONS="true")
    assert (without.returncode, "GH_TOKEN: ${{ github.token }}" in without.stderr) == (4, True)

    workflow = {"can_approve_pull_request_reviews": False, "default_workflow_permissions": "read"}
    github.host.set_document("actions/permissions/workflow", workflow)
    bot = github.host.token("github-actions[bot]")
    refused = github.run(*create, token=bot, GITHUB_ACTIONS="true")
    assert "not permitted to create or approve pull requests" in refused.stderr

    github.host.set_document("actions/permissions/workflow", workflow | {"can_approve_pull_request_reviews": True})
    assert github.run(*create, token=bot, GITHUB_ACTIONS="true").returncode == 0
    assert github.host.pull_request(1).author == "github-actions[bot]"


def test_pushes_to_a_protected_branch_are_refused(github: Work) -> None:
    github.host.protect()
    github.git("checkout", "--quiet", "main")
    github.commit({"a": "1"}, "By the side door")
    done = github.run("git", "push", "origin", "main")
    assert done.returncode != 0
    assert "must be made through a pull request" in done.stderr
    github.propose("b", {"a": "1"})


def test_a_merged_pull_request_is_reverted_by_another(github: Work) -> None:
    number = open_one(github)
    github.host.merge(number)
    back = github.host.revert(number)
    github.host.merge(back.number)
    github.git("fetch", "--quiet", "origin")
    assert github.git("show", "origin/main:releases/prod.yml") == "one"


def test_events_have_what_workflows_read(github: Work) -> None:
    before = github.host.tip()
    number = open_one(github)
    opened = pull_request(github.host.state, github.host.pull_request(number), "opened", "developer")
    after = github.host.merge(number)
    pushed = push(github.host.state, before, after, "reviewer")

    assert opened["pull_request"]["head"]["repo"]["full_name"] == "example/credit-default"
    assert opened["pull_request"]["base"]["sha"] == before
    assert (pushed["before"], pushed["after"], pushed["ref"]) == (before, after, "refs/heads/main")


def test_both_forms_of_the_address_lead_to_the_repository(github: Work) -> None:
    assert github.git("remote", "get-url", "origin") == "git@github.com:example/credit-default.git"
    listed = github.git("ls-remote", "https://github.com/example/credit-default", "refs/heads/main")
    assert listed.split()[0] == github.host.tip()
    other = github.run("git", "ls-remote", "https://github.com/somebody/else")
    assert (other.returncode != 0, "Repository not found" in other.stderr) == (True, True)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("pr", "lock", "1"), 'unknown command "lock" for "gh pr"'),
        (("repo", "delete"), 'unknown command "repo" for "gh"'),
        (("pr", "list", "--jq", "."), "unknown flag: --jq"),
        (("pr", "list", "--state"), "flag needs an argument: --state"),
        (("pr", "list", "--json", "nmber"), 'Unknown JSON field: "nmber"'),
        (("pr", "view", "7"), "Could not resolve to a PullRequest with the number of 7"),
        (("pr", "create", "--head", "main", "--title", "t"), "must provide `--title` and `--body`"),
        (("pr", "create", "--head", "gone", "--title", "t", "--body", "b"), "Head ref must be a branch"),
        (("pr", "create", "--head", "main", "--title", "t", "--body", "b"), "No commits between main and main"),
        (("pr", "list", "--repo", "somebody/else"), "Could not resolve to a Repository"),
        (("api", "repos/{owner}/{repo}/dispatches", "-f", "event_type=x"), "Not Found (HTTP 404)"),
        (("api", "user"), "Not Found (HTTP 404)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_unknown_requests_are_refused(shared_github: Work, command: tuple[str, ...], message: str) -> None:
    done = shared_github.run("gh", *command)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_login_is_required(github: Work) -> None:
    github.host.log_out()
    assert github.run("gh", "pr", "list").returncode == 4
    assert "Bad credentials" in github.run("gh", "pr", "list", GH_TOKEN="made up").stderr


def test_authors_cannot_approve_their_own_pull_request(github: Work) -> None:
    number = open_one(github)
    with pytest.raises(PullRefused):
        github.host.approve(number, "developer")
    github.host.approve(number)
    assert [each.state for each in github.host.pull_request(number).reviews] == [APPROVED]
