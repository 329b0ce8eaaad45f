"""A manifest with quicker rollouts, for demos and tests: the steps stay, their times shrink.

They run on laptops that do other things as well: the service level on latency is wide there, that on failures stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops.settings.manifest_files import change_values
from mlops.settings.releases import parse_manifest
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class RolloutTiming:
    """How long a step is watched, and how long the load before the first one lasts, in seconds, at which rate.

    The latencies are those that a new deployment may have at least.
    """

    soak_seconds: float
    load_seconds: float
    requests_per_second: float
    p95_milliseconds: float
    p99_milliseconds: float


def with_timing(text: str, stage: StageName, timing: RolloutTiming) -> bytes:
    """A manifest's text in which no step takes longer than `timing` says. Raises ProjectError for no manifest."""
    manifest = parse_manifest(text, stage)
    rollout, slo = manifest.rollout, manifest.slo
    values = {
        "rollout": {
            "soak_seconds": min(rollout.soak_seconds, timing.soak_seconds),
            "load": {
                "requests_per_second": min(rollout.load.requests_per_second, timing.requests_per_second),
                "seconds": min(rollout.load.seconds, timing.load_seconds),
            },
        },
        "slo": {
            "p95_milliseconds": max(slo.p95_milliseconds, timing.p95_milliseconds),
            "p99_milliseconds": max(slo.p99_milliseconds, timing.p99_milliseconds),
        },
    }
    quicker = change_values(text, values)
    parse_manifest(quicker, stage)
    return quicker.encode()
