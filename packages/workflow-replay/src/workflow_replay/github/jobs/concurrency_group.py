"""The `concurrency` of workflows and jobs: one runs, one waits, and the newest replaces the one that waits."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from workflow_replay.cancellation import Cancellation
from workflow_replay.concurrency import Superseded
from workflow_replay.github.expressions.values import Value, to_text, truthy
from workflow_replay.github.session import Session
from workflow_replay.result import Conclusion


class JobRejected(Exception):
    """A job or run must not start; the text says why."""

    def __init__(self, message: str, conclusion: Conclusion) -> None:
        super().__init__(message)
        self.conclusion: Conclusion = conclusion


@dataclass(frozen=True)
class Group:
    """A requested concurrency group; `cancel_in_progress` cancels its current holder."""

    name: str
    cancel_in_progress: bool = False


def requested_group(value: Value) -> Group | None:
    """The group that an evaluated `concurrency` requests, if any."""
    if isinstance(value, Mapping):
        name = to_text(value.get("group"))
        return Group(name, truthy(value.get("cancel-in-progress"))) if name else None
    return Group(to_text(value)) if to_text(value) else None


@contextmanager
def hold_group(
    session: Session,
    group: Group | None,
    held: Collection[str],
    job: str,
    cancellation: Cancellation,
) -> Generator[None]:
    """Hold a group within the block. `held` are the groups (in lower case) that callers hold. Raises JobRejected."""
    if group is None:
        yield
        return
    if group.name.lower() in held:
        raise JobRejected(f"deadlock: the concurrency group {group.name!r} is held by its own run", "cancelled")
    groups = session.host.concurrency
    if groups.is_held(group.name):
        session.host.listener.job_waiting(job, f"the concurrency group {group.name}")
    try:
        with groups.hold(group.name, cancellation, cancel_holder=group.cancel_in_progress):
            yield
    except Superseded as error:
        raise JobRejected(str(error), "cancelled") from error
