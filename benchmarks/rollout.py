"""Measures what callers notice of a rollout, of one that goes back by itself, and of a rollback by hand.

A tiny model behind an emulator of its own is called 200 times a second by a process that counts every failure.
Version 2 replaces version 1 through mirror and traffic steps; `mlops rollback` returns to version 1; version 3
passes its tests and then answers slowly at a tenth of the traffic, so that the rollout goes back.

    uv run python benchmarks/rollout.py [--json] [--per-second 200]
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from harness.figures import Figure, report

ROLLBACK_SECONDS = 1.0
LEAST_SHARE_OF_RATE = 0.95
ROOT = Path(__file__).parents[1]
TESTS = ROOT / "packages" / "mlops" / "tests"
SLOW = {"seconds": 0.6}
SLO = {"p95_milliseconds": 400.0, "p99_milliseconds": 900.0, "error_rate": 0.01}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--per-second", type=int, default=200, help="how often the endpoint is called")
    arguments = parser.parse_args()
    # The stage, its models and its callers are those of the tests.
    sys.path[:0] = [str(TESTS), str(TESTS / "prefork"), str(ROOT / ".ci" / "supply")]
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.per_second)
    return report("The rollout", figures, as_json=arguments.json)


def measure(folder: Path, per_second: int) -> list[Figure]:
    """Run the three of them; the figures."""
    from azureml_emulator.testing import running_emulator

    with running_emulator(folder / "state") as emulator:
        os.environ.update(emulator.variables)
        # Imported here: azure.ai.ml reads where Azure is from the environment.
        stage = importlib.import_module("e2e.rollout.world")

        stage.make_project(folder / "project", "benchmark")
        world = stage.World(emulator, folder / "project", slo=SLO)
        for version in "123":
            world.register(version)
        world.settle("1")
        with world.callers(per_second) as calling:
            forward = roll_out(world)
            seen = len(calling.answers)
            forward_failures = calling.failures.total()
            back = roll_back(world)
            by_hand = calling.failures.total() - forward_failures
            automatic = break_in_a_step(world)
            failures = calling.failures.total() - forward_failures - by_hand
            time.sleep(1)
            rate = calling.per_second
    least = LEAST_SHARE_OF_RATE * per_second
    return [
        Figure("calls a second", rate, "1/s", least, "higher"),
        Figure("failed requests across a rollout", forward_failures, "", 0, note=f"{seen} calls in {forward:.1f} s"),
        Figure("rollback until traffic is back", back, "s", ROLLBACK_SECONDS),
        Figure("failed requests across it", by_hand, "", 0),
        Figure("failed requests across an automatic rollback", failures, "", 0, note=f"{automatic:.1f} s in all"),
    ]


def roll_out(world) -> float:
    """Version 2 in place of version 1; seconds."""
    world.release("2")
    begun = time.monotonic()
    world.deploy()
    assert world.live_version() == "2"
    return time.monotonic() - begun


def roll_back(world) -> float:
    """Back to version 1 by hand; seconds until the traffic was there."""
    from mlops.rollout.rollback import rollback

    result = rollback(world.client, world.project, world.stage, "benchmark")
    assert world.live_version() == "1"
    return result.traffic_seconds


def break_in_a_step(world) -> float:
    """Version 3, which becomes slow at a tenth of the traffic; seconds until the rollout has ended."""
    begun = time.monotonic()
    world.release("3", soak_seconds=2.0)
    process = world.begin()
    world.wait_for(lambda view: 10 in view.traffic.values())
    world.fault(v3=SLOW)
    process.join()
    assert process.exitcode != 0
    assert world.live_version() == "1"
    return time.monotonic() - begun


if __name__ == "__main__":
    raise SystemExit(main())
