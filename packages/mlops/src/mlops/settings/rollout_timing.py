"""A manifest with quicker rollouts, for places where nobody has an hour: the steps stay, their times shrink.

Such a place is a laptop, which does other things as well: its service level on latency is wide, that on failures stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops.settings.manifest_files import change_values
from mlops.settings.project import StageName
from mlops.settings.releases import parse_manifest


@dataclass(frozen=True)
class Pace:
    """How long a step is watched, and how long the load before the first one lasts, in seconds, at which rate.

    The latencies are those that a new deployment may have at least.
    """

    soak_seconds: float
    load_seconds: float
    requests_per_second: float
    p95_milliseconds: float
    p99_milliseconds: float


def at_pace(text: str, stage: StageName, pace: Pace) -> bytes:
    """A manifest's text in which no step takes longer than `pace` says. Raises ProjectError for no manifest."""
    manifest = parse_manifest(text, stage)
    rollout, slo = manifest.rollout, manifest.slo
    values = {
        "rollout": {
            "soak_seconds": min(rollout.soak_seconds, pace.soak_seconds),
            "load": {
                "requests_per_second": min(rollout.load.requests_per_second, pace.requests_per_second),
                "seconds": min(rollout.load.seconds, pace.load_seconds),
            },
        },
        "slo": {
            "p95_milliseconds": max(slo.p95_milliseconds, pace.p95_milliseconds),
            "p99_milliseconds": max(slo.p99_milliseconds, pace.p99_milliseconds),
        },
    }
    quicker = change_values(text, values)
    parse_manifest(quicker, stage)
    return quicker.encode()
