"""The plan of a rollout: the release, its phases in order, and how long each lasts. Pure data, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from azure.ai.ml import MLClient

from mlops.azure.service_health import Objective
from mlops.azure.service_metrics import Monitor
from mlops.endpoint.view import FULL, revision_of
from mlops.settings.project import Project, Stage
from mlops.settings.releases import MIRROR, SkippedPhase
from mlops.settings.stages import StageName

CREATE = "create"
SMOKE = "smoke"
LOAD = "load"
_STEP = "traffic-"
_TITLES = {CREATE: "deployment", SMOKE: "smoke test", LOAD: "load test", MIRROR: "mirrored traffic"}


@dataclass(frozen=True)
class Plan:
    """A release to roll out.

    `steps` are increasing percentages of live traffic, the last one 100. `soak_seconds` is how long each
    monitored phase lasts, `load_seconds` how long the load test before any traffic; `progress_deadline_seconds` is
    how long a phase may last without evidence before that counts as a breach. `mirror_percentage` or `load_seconds`
    0 skips the phase; `skipped_phases` are those that the manifest requests nevertheless. `configuration` is the
    fingerprint of everything in a deployment besides its model; `image` names the environment's image where the stages
    share images, and is empty elsewhere.
    """

    model: str
    version: str
    digest: str
    configuration: str = ""
    image: str = ""
    mirror_percentage: int = 0
    steps: tuple[int, ...] = (10, 50, FULL)
    load_seconds: float = 0.0
    soak_seconds: float = 60.0
    progress_deadline_seconds: float = 600.0
    skipped_phases: tuple[SkippedPhase, ...] = ()

    def __post_init__(self) -> None:
        rising = list(self.steps) == sorted(set(self.steps))
        if not self.steps or not rising or self.steps[-1] != FULL or self.steps[0] <= 0:
            raise ValueError(f"traffic steps must increase to {FULL}, not {list(self.steps)}")

    @property
    def content(self) -> str:
        """The identity of a deployment of this plan, to compare with existing deployments."""
        return revision_of(self.digest, self.configuration)

    @property
    def longest_seconds(self) -> float:
        """The overall deadline of the rollout."""
        phases = self.phases(champion=True)
        return len(phases) * (self.soak_seconds + self.load_seconds + self.progress_deadline_seconds)

    def phases(self, *, champion: bool) -> tuple[str, ...]:
        """The phases in order. Without a champion there is no traffic to mirror or to split."""
        load = (LOAD,) if self.load_seconds else ()
        if not champion:
            return (CREATE, SMOKE, *load, step_phase(FULL))
        mirror = (MIRROR,) if self.mirror_percentage else ()
        return (CREATE, SMOKE, *load, *mirror, *(step_phase(step) for step in self.steps))


def step_phase(percentage: int) -> str:
    """The name of the phase in which the new deployment has this share of the traffic."""
    return f"{_STEP}{percentage}"


def step_of(phase: str) -> int | None:
    """The share of traffic in a phase; None for the phases before live traffic shifts."""
    return int(phase.removeprefix(_STEP)) if phase.startswith(_STEP) else None


def phase_title(phase: str) -> str:
    """A phase in words, such as "10 % of traffic"; tags and records have its identifier."""
    share = step_of(phase)
    return f"{share} % of traffic" if share is not None else _TITLES.get(phase, phase)


@dataclass(frozen=True)
class Target:
    """A stage, its plan, and the model package on this machine.

    `model` is the reference that a deployment names; `requests_per_second` is the rate of the synthetic callers.
    `monitor` is None where Azure Monitor has no metrics: on Kubernetes, only synthetic callers judge.
    """

    client: MLClient
    project: Project
    stage_name: StageName
    stage: Stage
    plan: Plan
    objective: Objective
    requests_per_second: float
    model: str
    package: Path
    monitor: Callable[[str], Monitor] | None
