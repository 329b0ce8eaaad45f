"""Approvals of deployments to protected environments: a callback that the caller provides."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class ApprovalRequest:
    """A job is about to enter an environment."""

    environment: str
    job: str
    run: str


@dataclass(frozen=True)
class Approval:
    """The answer to a request."""

    approved: bool
    comment: str = ""


Approvals = Callable[[ApprovalRequest], Approval]


def approve_all(request: ApprovalRequest) -> Approval:  # noqa: ARG001 - the callback's signature
    """Approve every request."""
    return Approval(approved=True)


def approvals(*, only: Collection[str] = (), reject: Collection[str] = ()) -> Approvals:
    """Approve every environment except those in `reject`; if `only` is given, no environment outside it either."""

    def decide(request: ApprovalRequest) -> Approval:
        name = request.environment
        approved = name not in reject and (not only or name in only)
        return Approval(approved, "" if approved else f"{name} was rejected")

    return decide
