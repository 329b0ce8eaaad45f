"""A manifest with quicker rollouts, for demos and tests: the steps stay, their times shrink."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.settings.manifest_files import change_values
from mlops.settings.releases import parse_manifest
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class RolloutTiming:
    """How long a step is watched, and how long the load before the first one lasts, in seconds, at which rate."""

    soak_seconds: float
    load_seconds: float
    requests_per_second: float


def with_timing(text: str, stage: StageName, timing: RolloutTiming) -> bytes:
    """A manifest's text in which nothing takes longer than `timing` says. Raises ProjectError for no manifest."""
    rollout = parse_manifest(text, stage).rollout
    values = {
        "rollout": {
            "soak_seconds": min(rollout.soak_seconds, timing.soak_seconds),
            "load": {
                "requests_per_second": min(rollout.load.requests_per_second, timing.requests_per_second),
                "seconds": min(rollout.load.seconds, timing.load_seconds),
            },
        }
    }
    quicker = change_values(text, values)
    parse_manifest(quicker, stage)
    return quicker.encode()
