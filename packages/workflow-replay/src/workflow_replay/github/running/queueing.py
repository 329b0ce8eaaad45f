"""Concurrency groups of workflows and jobs: one works, one waits, who came before the newest has to go."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from workflow_replay.github.expressions.values import Value, to_text, truthy
from workflow_replay.github.running.session import Session
from workflow_replay.queues import Superseded
from workflow_replay.record import Conclusion
from workflow_replay.stopping import Cancellation


class Rejected(Exception):
    """A job or a run may not begin; the text says why."""

    def __init__(self, message: str, conclusion: Conclusion) -> None:
        super().__init__(message)
        self.conclusion: Conclusion = conclusion


@dataclass(frozen=True)
class Group:
    """A concurrency group that is wanted; `cancels` says that who works in it has to go."""

    name: str
    cancels: bool = False


def concurrency(value: Value) -> Group | None:
    """What an evaluated `concurrency` asks for; None for nothing."""
    if isinstance(value, Mapping):
        name = to_text(value.get("group"))
        return Group(name, truthy(value.get("cancel-in-progress"))) if name else None
    return Group(to_text(value)) if to_text(value) else None


@contextmanager
def queue(
    session: Session,
    group: Group | None,
    held: Collection[str],
    job: str,
    cancellation: Cancellation,
) -> Generator[None]:
    """Hold a group within the block; `held` are those (in lower case) that are held around it. Raises Rejected."""
    if group is None:
        yield
        return
    if group.name.lower() in held:
        raise Rejected(f"it waits for the concurrency group {group.name!r}, which its own run holds", "cancelled")
    queues = session.surroundings.queues
    if queues.is_taken(group.name):
        session.surroundings.listener.job_waits(job, f"the group {group.name}")
    try:
        with queues.place(group.name, cancellation, cancels_working=group.cancels):
            yield
    except Superseded as error:
        raise Rejected(str(error), "cancelled") from error
