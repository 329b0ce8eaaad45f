"""The state of a running job: variables, folders, PATH, status, post-job callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow_replay.azure.state.job_instances import Instance
from workflow_replay.azure.state.predefined_variables import Folders
from workflow_replay.azure.state.results import Result
from workflow_replay.azure.state.session import Session
from workflow_replay.azure.state.variable_store import VariableStore
from workflow_replay.cancellation import Cancellation
from workflow_replay.common.shell import BackgroundProcesses

_STATUS = "Agent.JobStatus"


@dataclass
class JobState:
    """The state of a running job; `deadline` is in seconds of the monotonic clock."""

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
    background: BackgroundProcesses = field(default_factory=BackgroundProcesses)
    notes: list[str] = field(default_factory=list)
    post: list[Callable[[], None]] = field(default_factory=list)
    sources: Path | None = None

    def merge(self, result: Result) -> None:
        """Apply the result of a step to the status of the job."""
        if result is Result.CANCELED or self.status is Result.CANCELED:
            self.status = Result.CANCELED
        elif result is Result.FAILED or (result is Result.SUCCEEDED_WITH_ISSUES and self.status is Result.SUCCEEDED):
            self.status = result
        self.variables.put(_STATUS, self.status.value)

    def check_cancellation(self) -> None:
        """Apply a cancellation to the status of the job."""
        if self.cancellation.is_cancelled:
            self.merge(Result.CANCELED)

    def remaining(self) -> float:
        """Return the remaining time in seconds."""
        return max(self.deadline - time.monotonic(), 0.0)

    def prepend(self, folder: str) -> None:
        """Prepend a folder to the PATH of later steps."""
        self.paths = [folder, *(known for known in self.paths if known != folder)]

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the process environment of a step; variables that are not secret override its own `env`."""
        found = {**self.session.host.environ, **own, **self.variables.environment()}
        found["PATH"] = ":".join([*self.paths, found.get("PATH", "")]).rstrip(":")
        return found

    def default_folder(self) -> Path:
        """Return the default working directory of steps."""
        return Path(self.variables.get("System.DefaultWorkingDirectory") or self.folders.sources)
