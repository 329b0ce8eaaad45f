"""How a repository on GitHub is protected, first its branch: rulesets and classic protection combined. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlops.githost.github.actions import actions_findings, environment_findings
from mlops.githost.github.settings import (
    NOT_FOUND,
    OK,
    GitHubExpectations,
    MergeRequirements,
    Replies,
    protection_of,
    rules_of,
)
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import Finding, judge, unreadable


def protection_findings(
    replies: Replies, branch: str, wanted: GitHubExpectations, remote: RemoteAddress
) -> list[Finding]:
    """Every setting, in the order to work through them."""
    return [
        *branch_findings(replies, branch, wanted.pull_requests, remote),
        *actions_findings(replies, wanted.actions.allowed, remote),
        *environment_findings(replies, branch, wanted, remote),
    ]


@dataclass(frozen=True)
class Protection:
    """The protection of a branch."""

    needs_pull_request: bool = False
    approvals: int = 0
    dismisses_stale: bool = False
    needs_owners: bool = False
    needs_last_push: bool = False
    checks: frozenset[str] = field(default_factory=frozenset)
    is_strict: bool = False
    refuses_force: bool = False
    refuses_deletion: bool = False

    def __or__(self, other: Protection) -> Protection:
        """The union: everything that either of them requires."""
        return Protection(
            self.needs_pull_request or other.needs_pull_request,
            max(self.approvals, other.approvals),
            self.dismisses_stale or other.dismisses_stale,
            self.needs_owners or other.needs_owners,
            self.needs_last_push or other.needs_last_push,
            self.checks | other.checks,
            self.is_strict or other.is_strict,
            self.refuses_force or other.refuses_force,
            self.refuses_deletion or other.refuses_deletion,
        )


def branch_findings(replies: Replies, branch: str, wanted: MergeRequirements, remote: RemoteAddress) -> list[Finding]:
    """The branch's findings."""
    rules, classic = replies[rules_of(branch)], replies[protection_of(branch)]
    how = f"{remote.origin}/settings/rules, or infra/Pulumi.repository.yaml and `pulumi up --stack repository`"
    setting = f"protection of {branch}"
    if not rules.is_paid_for:
        needed = "a public repository, or a paid plan: until then reviews are not enforced"
        return [Finding(setting, "not part of this plan", needed, "unavailable")]
    if rules.status != OK or classic.status not in {OK, NOT_FOUND, 403}:
        return [unreadable(setting, rules.message or classic.message, "readable", "log in as an administrator")]
    holds = _of_rules(rules.body)
    if classic.status == OK:
        holds |= _of_classic(classic.body)
    return _judged(holds, branch, wanted, how)


def _judged(holds: Protection, branch: str, wanted: MergeRequirements, how: str) -> list[Finding]:
    missing = [name for name in wanted.checks if name not in holds.checks]
    found = f"{holds.approvals} approvals" if holds.needs_pull_request else "pushes without a pull request"
    return [
        judge(
            f"reviews before a merge into {branch}",
            kept=holds.needs_pull_request and holds.approvals >= wanted.approvals,
            found=found,
            needed=f"{wanted.approvals} approvals",
            how=f"{how}: require a pull request",
        ),
        judge(
            "review by code owners",
            kept=holds.needs_owners,
            found=_yes(holds.needs_owners),
            needed="yes: .github/CODEOWNERS names who approves releases",
            how=f"{how}: require review from code owners",
        ),
        judge(
            "review of the newest commit by someone who did not push it",
            kept=holds.dismisses_stale and holds.needs_last_push,
            found=f"stale reviews dismissed: {_yes(holds.dismisses_stale)}, "
            f"last push reviewed: {_yes(holds.needs_last_push)}",
            needed="both",
            how=f"{how}: dismiss stale approvals, require approval of the most recent push",
        ),
        judge(
            "checks before a merge",
            kept=not missing,
            found=", ".join(sorted(holds.checks)) or "none",
            needed=", ".join(wanted.checks),
            how=f"{how}: require the status checks {', '.join(wanted.checks)}",
        ),
        judge(
            "branches up to date before a merge",
            kept=holds.is_strict,
            found=_yes(holds.is_strict),
            needed="yes: two promotions that pass separately may fail together",
            how=f"{how}: require branches to be up to date before merging",
        ),
        judge(
            f"history of {branch}",
            kept=holds.refuses_force and holds.refuses_deletion,
            found=f"force pushes refused: {_yes(holds.refuses_force)}, deletion: {_yes(holds.refuses_deletion)}",
            needed="both: rollbacks and the audit log refer to its commits",
            how=f"{how}: block force pushes, restrict deletions",
        ),
    ]


def _of_rules(rules: list[Mapping[str, Any]]) -> Protection:
    holds = Protection()
    for rule in rules:
        given = rule.get("parameters") or {}
        match rule["type"]:
            case "pull_request":
                holds |= Protection(
                    needs_pull_request=True,
                    approvals=given.get("required_approving_review_count", 0),
                    dismisses_stale=given.get("dismiss_stale_reviews_on_push", False),
                    needs_owners=given.get("require_code_owner_review", False),
                    needs_last_push=given.get("require_last_push_approval", False),
                )
            case "required_status_checks":
                names = frozenset(each["context"] for each in given.get("required_status_checks", []))
                strict = given.get("strict_required_status_checks_policy", False)
                holds = replace(holds, checks=holds.checks | names, is_strict=holds.is_strict or strict)
            case "non_fast_forward":
                holds = replace(holds, refuses_force=True)
            case "deletion":
                holds = replace(holds, refuses_deletion=True)
    return holds


def _of_classic(classic: Mapping[str, Any]) -> Protection:
    reviews = classic.get("required_pull_request_reviews")
    checks = classic.get("required_status_checks") or {}
    named = [each["context"] for each in checks.get("checks", [])] or checks.get("contexts", [])
    return Protection(
        needs_pull_request=reviews is not None,
        approvals=(reviews or {}).get("required_approving_review_count", 0),
        dismisses_stale=(reviews or {}).get("dismiss_stale_reviews", False),
        needs_owners=(reviews or {}).get("require_code_owner_reviews", False),
        needs_last_push=(reviews or {}).get("require_last_push_approval", False),
        checks=frozenset(named),
        is_strict=checks.get("strict", False),
        refuses_force=not (classic.get("allow_force_pushes") or {}).get("enabled", False),
        refuses_deletion=not (classic.get("allow_deletions") or {}).get("enabled", False),
    )


def _yes(value: bool) -> str:  # noqa: FBT001 - the value is what is said
    return "yes" if value else "no"
