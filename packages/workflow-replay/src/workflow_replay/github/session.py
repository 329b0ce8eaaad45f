"""State that all jobs of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore

from workflow_replay.cancellation import Cancellation
from workflow_replay.common.counter import Counter
from workflow_replay.common.masking import Masks
from workflow_replay.effects import Effects
from workflow_replay.github.definition.model import Workflow
from workflow_replay.github.run_context import RunContext
from workflow_replay.host_environment import HostEnvironment


@dataclass(frozen=True)
class Session:
    """State that all jobs of a run share.

    `called` has the called workflows by their path, `slots` limits how many jobs run in parallel. `order` numbers the
    steps as they start, `folders` the folders of jobs and steps.
    """

    repository: Path
    workflow: Workflow
    called: Mapping[str, Workflow]
    run_context: RunContext
    host: HostEnvironment
    effects: Effects
    scratch: Path
    slots: BoundedSemaphore
    run_id: str
    cancellation: Cancellation
    masks: Masks = field(default_factory=Masks)
    order: Counter = field(default_factory=Counter)
    folders: Counter = field(default_factory=Counter)

    @property
    def artifacts(self) -> Path:
        """The folder of the run's artifacts."""
        return self.scratch / "artifacts"
