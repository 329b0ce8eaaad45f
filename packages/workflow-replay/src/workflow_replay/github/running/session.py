"""What all jobs of one run share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Lock

from workflow_replay.effects import Effects
from workflow_replay.github.situation import Situation
from workflow_replay.github.workflow import Workflow
from workflow_replay.masking import Masks
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings


class Order:
    """Numbers for steps as they begin, from whatever thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = itertools.count()

    def next(self) -> int:
        """The next number."""
        with self._lock:
            return next(self._numbers)


@dataclass(frozen=True)
class Session:
    """What all jobs of one run share. `called` holds the called workflows by their path."""

    repository: Path
    workflow: Workflow
    called: Mapping[str, Workflow]
    situation: Situation
    surroundings: Surroundings
    effects: Effects
    scratch: Path
    slots: BoundedSemaphore
    run_id: str
    cancellation: Cancellation
    masks: Masks = field(default_factory=Masks)
    order: Order = field(default_factory=Order)
    folders: Order = field(default_factory=Order)

    @property
    def artifacts(self) -> Path:
        """Where files that jobs hand to each other lie."""
        return self.scratch / "artifacts"
