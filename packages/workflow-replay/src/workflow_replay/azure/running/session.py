"""What all jobs of one run share: facts, the caller's surroundings, masks, the order of steps, artifacts, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock, Semaphore

from workflow_replay.azure.pipeline.model import Group, Pipeline, Variables
from workflow_replay.azure.running.predefined import RunFacts
from workflow_replay.effects import Effects
from workflow_replay.masking import Masks
from workflow_replay.progress import Listener
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings


class Order:
    """Counts steps as they begin, from 0."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count()

    def next(self) -> int:
        """Return the next number."""
        with self._lock:
            return next(self._numbers)


class Counters:
    """What `counter` gives: a replay is a pipeline's first run, so each prefix begins with its seed."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def value(self, prefix: str, seed: float) -> float:
        """Return the counter of a prefix; the same again within the run."""
        return self._values.setdefault(prefix, seed)


@dataclass(frozen=True)
class Session:
    """One run."""

    pipeline: Pipeline
    facts: RunFacts
    surroundings: Surroundings
    effects: Effects
    scratch: Path
    run_name: str
    cancellation: Cancellation
    masks: Masks = field(default_factory=Masks)
    order: Order = field(default_factory=Order)
    counters: Counters = field(default_factory=Counters)
    tags: list[str] = field(default_factory=list)
    places: Semaphore = field(default_factory=Semaphore)

    @property
    def most_at_once(self) -> int:
        """How many jobs run at the same time at most."""
        return self.surroundings.maximum_parallel_jobs

    @property
    def listener(self) -> Listener:
        """Who hears what happens."""
        return self.surroundings.listener

    @property
    def artifacts(self) -> Path:
        """Where artifacts are kept between jobs."""
        return self.scratch / "artifacts"

    def group(self, group: Group) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the variables and the secrets of a group. Raises WorkflowError when the caller gave none."""
        around = self.surroundings
        if group.name not in around.environment_variables and group.name not in around.environment_secrets:
            raise group.place.wrong(
                f"Variable group {group.name} was not found or is not authorized for use.",
                "Give the replay its variables, by the group's name.",
            )
        name = group.name
        return around.environment_variables.get(name, {}), around.environment_secrets.get(name, {})

    def check_groups(self) -> None:
        """Look for every variable group of the pipeline. Raises WorkflowError."""
        for variables in self._all_variables():
            for entry in variables:
                if isinstance(entry, Group):
                    self.group(entry)

    def _all_variables(self) -> list[Variables]:
        stages = self.pipeline.stages
        return [self.pipeline.variables, *(stage.variables for stage in stages),
                *(job.variables for stage in stages for job in stage.jobs)]  # fmt: skip
