"""What stands between a pull request and its merge: the rules of the protected branch, as the settings say them."""

from __future__ import annotations

from typing import Any

from fake_git_host.state import PullRequest, State

APPROVED = "APPROVED"
CHANGES_REQUESTED = "CHANGES_REQUESTED"
SUCCESSFUL = ("success", "neutral", "skipped")
# What an Azure DevOps policy is, by the id of its type.
MINIMUM_REVIEWERS = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
BUILD = "0609b952-1397-4640-95ec-e00a01b2c241"


def branch_rules(state: State) -> list[dict[str, Any]]:
    """The rules of GitHub's rulesets that hold for the default branch."""
    return state.documents.get(f"rules/branches/{state.branch}", [])


def policies(state: State) -> list[dict[str, Any]]:
    """The branch policies of Azure DevOps that block."""
    return [each for each in state.documents.get("policies", []) if each["isEnabled"] and each["isBlocking"]]


def approvals(pull: PullRequest, head: str, *, stale_count: bool) -> int:
    """How many people approve: each person's last verdict, of the newest commit unless stale ones count."""
    last = {review.author: review for review in pull.reviews if review.state in (APPROVED, CHANGES_REQUESTED)}
    return sum(
        review.state == APPROVED and author != pull.author and (stale_count or review.commit == head)
        for author, review in last.items()
    )


def obstacle(state: State, pull: PullRequest, head: str) -> str | None:
    """Why a pull request may not be merged yet, or None."""
    if pull.is_draft:
        return "it is a draft"
    if any(
        review.state == CHANGES_REQUESTED
        for review in {each.author: each for each in pull.reviews if each.state != "COMMENTED"}.values()
    ):
        return "changes are requested"
    needed, stale_count, checks = _asked_github(state) if state.kind == "github" else _asked_azure(state)
    given = approvals(pull, head, stale_count=stale_count)
    if given < needed:
        return f"it needs {needed} approvals and has {given}"
    missing = [name for name in checks if pull.checks.get(name) not in SUCCESSFUL]
    return f"required checks have not passed: {', '.join(missing)}" if missing else None


def _asked_github(state: State) -> tuple[int, bool, list[str]]:
    needed, stale_count, checks = 0, True, list[str]()
    for rule in branch_rules(state):
        parameters = rule.get("parameters", {})
        if rule["type"] == "pull_request":
            needed = max(needed, parameters["required_approving_review_count"])
            stale_count = stale_count and not parameters["dismiss_stale_reviews_on_push"]
        if rule["type"] == "required_status_checks":
            checks += [each["context"] for each in parameters["required_status_checks"]]
    return needed, stale_count, checks


def _asked_azure(state: State) -> tuple[int, bool, list[str]]:
    needed, stale_count, checks = 0, True, list[str]()
    for policy in policies(state):
        settings = policy["settings"]
        if policy["type"]["id"] == MINIMUM_REVIEWERS:
            needed = max(needed, settings["minimumApproverCount"])
            stale_count = stale_count and not settings.get("resetOnSourcePush", False)
        if policy["type"]["id"] == BUILD:
            checks.append(settings["displayName"])
    return needed, stale_count, checks
