"""What the kind of a stage's serving leaves out of its rollouts, and why. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops.project import KUBERNETES, Serving
from mlops.releases.manifest import Rollout

MIRROR: Final = "mirror"


@dataclass(frozen=True)
class LeftOut:
    """A phase that a manifest asks for and that is not done, with the reason."""

    phase: str
    reason: str


def left_out(rollout: Rollout, serving: Serving) -> tuple[LeftOut, ...]:
    """The phases of a rollout that Azure does not offer on this kind of serving."""
    if serving == KUBERNETES and rollout.mirror_percentage:
        reason = f"Azure mirrors no traffic on Kubernetes (mirror_percentage {rollout.mirror_percentage})"
        return (LeftOut(MIRROR, reason),)
    return ()
