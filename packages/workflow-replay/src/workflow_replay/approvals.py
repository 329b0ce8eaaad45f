"""Who lets a job into a protected environment: a callback that the caller gives; nobody is asked otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class ApprovalRequest:
    """A job of a run stands before an environment."""

    environment: str
    job: str
    run: str


@dataclass(frozen=True)
class Approval:
    """What somebody said to it."""

    approved: bool
    comment: str = ""


Approvals = Callable[[ApprovalRequest], Approval]


def approve_all(request: ApprovalRequest) -> Approval:  # noqa: ARG001 - the callback's shape
    """Let every job in."""
    return Approval(approved=True)


def reject_all(request: ApprovalRequest) -> Approval:
    """Let no job in."""
    return Approval(approved=False, comment=f"nobody may enter {request.environment}")


def reject(environments: Collection[str]) -> Approvals:
    """Let jobs in, but not into these environments."""

    def decide(request: ApprovalRequest) -> Approval:
        refused = request.environment in environments
        return Approval(approved=not refused, comment=f"{request.environment} was rejected" if refused else "")

    return decide
