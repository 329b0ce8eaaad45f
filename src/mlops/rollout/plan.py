"""What a rollout is to do: the release, its phases in order, and how long each lasts. Pure data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

CREATE = "create"
SMOKE = "smoke"
LOAD = "load"
MIRROR = "mirror"
_STEP = "traffic-"
FULL = 100


@dataclass(frozen=True)
class Plan:
    """A release to roll out.

    `steps` are percentages of live traffic, rising, the last one 100. `soak_seconds` is how long each
    watched phase lasts; `patience_seconds` how long one may last without evidence before it counts as
    a breach. `mirror_percentage` 0 leaves the mirror phase out.
    """

    model: str
    version: str
    digest: str
    mirror_percentage: int = 0
    steps: tuple[int, ...] = (10, 50, FULL)
    soak_seconds: float = 60.0
    patience_seconds: float = 600.0

    def __post_init__(self) -> None:
        rising = list(self.steps) == sorted(set(self.steps))
        if not self.steps or not rising or self.steps[-1] != FULL or self.steps[0] <= 0:
            raise ValueError(f"traffic steps must rise to {FULL}, not {list(self.steps)}")

    def phases(self, *, champion: bool) -> tuple[str, ...]:
        """The phases in order. Without a champion there is nobody to mirror from or to share with."""
        watched = tuple(step_phase(step) for step in self.steps)
        if not champion:
            return (CREATE, SMOKE, LOAD, step_phase(FULL))
        mirror = (MIRROR,) if self.mirror_percentage else ()
        return (CREATE, SMOKE, LOAD, *mirror, *watched)


def step_phase(percentage: int) -> str:
    """The name of the phase in which the new deployment has this share of the traffic."""
    return f"{_STEP}{percentage}"


def step_of(phase: str) -> int | None:
    """The share of traffic in a phase; None for the phases before live traffic moves."""
    return int(phase.removeprefix(_STEP)) if phase.startswith(_STEP) else None
