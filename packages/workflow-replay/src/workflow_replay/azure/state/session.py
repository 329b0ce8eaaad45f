"""What all jobs of one run share: facts, the host environment, masks, the order of steps, artifacts, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore

from workflow_replay.azure.pipeline.model import Group, Pipeline, Variables
from workflow_replay.azure.state.predefined_variables import RunFacts
from workflow_replay.cancellation import Cancellation
from workflow_replay.common.counter import Counter
from workflow_replay.common.masking import Masks
from workflow_replay.effects import Effects
from workflow_replay.errors import Limit, Unreplayable
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.progress import Listener


class Counters:
    """The function `counter`: a replay is the pipeline's first run, so each prefix has its seed as value."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def value(self, prefix: str, seed: float) -> float:
        """Return the counter of a prefix; it does not change within a run."""
        return self._values.setdefault(prefix, seed)


@dataclass(frozen=True)
class Session:
    """State that all jobs of a run share; `slots` limits how many jobs run in parallel."""

    pipeline: Pipeline
    facts: RunFacts
    host: HostEnvironment
    effects: Effects
    scratch: Path
    run_name: str
    cancellation: Cancellation
    masks: Masks = field(default_factory=Masks)
    order: Counter = field(default_factory=Counter)
    counters: Counters = field(default_factory=Counters)
    tags: list[str] = field(default_factory=list)
    slots: Semaphore = field(default_factory=Semaphore)

    @property
    def max_parallel(self) -> int:
        """The maximum number of parallel jobs."""
        return self.host.max_parallel_jobs

    @property
    def listener(self) -> Listener:
        """The caller's listener."""
        return self.host.listener

    @property
    def artifacts(self) -> Path:
        """The folder of the run's artifacts."""
        return self.scratch / "artifacts"

    def group(self, group: Group) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the variables and secrets of a variable group. Raises Unreplayable for an unknown group."""
        host = self.host
        if group.name not in host.environment_variables and group.name not in host.environment_secrets:
            message = f"the variables of the group {group.name} are in Azure DevOps, not in the repository"
            advice = "Give the replay its variables, by the name of the group."
            raise Unreplayable(Limit(str(group.location), message, advice, "group", group.name))
        name = group.name
        return host.environment_variables.get(name, {}), host.environment_secrets.get(name, {})

    def check_groups(self, variables: Variables) -> None:
        """Raise Unreplayable if the caller did not provide a variable group of a block."""
        for entry in variables:
            if isinstance(entry, Group):
                self.group(entry)
