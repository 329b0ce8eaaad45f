"""One job while it runs: its variables, folders, PATH and status, and what its steps leave for its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow_replay.azure.running.instances import Instance
from workflow_replay.azure.running.predefined import Folders
from workflow_replay.azure.running.results import Result
from workflow_replay.azure.running.session import Session
from workflow_replay.azure.running.variable_store import VariableStore
from workflow_replay.shell import Leftovers
from workflow_replay.stopping import Cancellation

_STATUS = "Agent.JobStatus"


@dataclass
class JobState:
    """One job while it runs; `deadline` is by the monotonic clock, in seconds."""

    id: str
    session: Session
    instance: Instance
    folders: Folders
    variables: VariableStore
    cancellation: Cancellation
    deadline: float
    status: Result = Result.SUCCEEDED
    paths: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    leftovers: Leftovers = field(default_factory=Leftovers)
    notes: list[str] = field(default_factory=list)
    endings: list[Callable[[], None]] = field(default_factory=list)
    sources: Path | None = None

    def merge(self, result: Result) -> None:
        """Let a step's result count for the job: failures and cancellations stay."""
        if result is Result.CANCELED or self.status is Result.CANCELED:
            self.status = Result.CANCELED
        elif result is Result.FAILED or (result is Result.SUCCEEDED_WITH_ISSUES and self.status is Result.SUCCEEDED):
            self.status = result
        self.variables.put(_STATUS, self.status.value)

    def notice_cancellation(self) -> None:
        """Let a wish to end count."""
        if self.cancellation.is_cancelled:
            self.merge(Result.CANCELED)

    def remaining(self) -> float:
        """Return the seconds that the job has left."""
        return max(self.deadline - time.monotonic(), 0.0)

    def prepend(self, folder: str) -> None:
        """Put a folder in front of PATH for later steps."""
        self.paths = [folder, *(known for known in self.paths if known != folder)]

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the process environment of a step, given its own `env`; the job's public variables win over it."""
        found = {**self.session.surroundings.machine, **own, **self.variables.environment()}
        found["PATH"] = ":".join([*self.paths, found.get("PATH", "")]).rstrip(":")
        return found

    def default_folder(self) -> Path:
        """Return the folder that a step works in when it does not say."""
        return Path(self.variables.get("System.DefaultWorkingDirectory") or self.folders.sources)
