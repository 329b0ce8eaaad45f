"""What Azure's refusals mean here and what to do, by a text in the message.

docs/infrastructure.md has the same table, and a test compares the two.
"""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "az login": "Log in: `az login --tenant TENANT`, then run the same command again.",
    "roleAssignments/write": (
        "You may not assign roles: ask an owner of the subscription for Role Based Access Control Administrator on it."
    ),
    "AuthorizationFailed": (
        "You need Contributor on the subscription, and what assigns roles: docs/infrastructure.md, From nothing to dev."
    ),
    "RequestDisallowedByPolicy": (
        "A policy of the subscription refuses it, and the message names the policy. Tags: `infra:tags` in every stack "
        "file. Networks, public addresses, DNS zones: `infra:network`. Otherwise ask its owner for an exemption."
    ),
    "ScopeLocked": "A lock is in the way: remove it by a reviewed change, run the command, and put the lock back.",
    "marked for protection": (
        "The change would replace or delete what holds data, or production: docs/infrastructure-bad-days.md, "
        '"A setting that cannot be changed later".'
    ),
    "QuotaExceeded": "Ask for more vCPUs of this family in this region, or lower max_nodes: `mlops infra quota`.",
    "OperationNotAllowed": "Often a quota: `mlops infra quota --stack STACK` says which one.",
    "MissingSubscriptionRegistration": (
        "A resource provider is not registered: `mlops infra bootstrap` registers all that are needed."
    ),
    "deleted state": (
        "The name belongs to something deleted that can still be recovered: recover or purge it, or raise "
        "`infra:naming` → `generation`."
    ),
    "Soft-deleted workspace exists": (
        "Purge or recover the deleted workspace (`az ml workspace delete --permanently-delete`), or raise "
        "`infra:naming` → `generation`."
    ),
    "AADSTS700213": (
        "Azure expects another subject than the token has: the repository is new, renamed or transferred. "
        '`uv run mlops check --repository` compares; docs/infrastructure.md, "When something fails".'
    ),
}


def advice_for(message: str) -> str:
    """The first advice whose text is in a message, or ""."""
    return next((advice for text, advice in ADVICE.items() if text in message), "")
