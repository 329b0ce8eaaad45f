"""Measures the way through all stages: the full demo, again with nothing changed, two bad models, and drift.

It works on a clone in a temporary folder, so that neither the checkout nor its emulator is touched.

    uv run python benchmarks/release.py --data my.csv
    uv run python benchmarks/release.py --skip-bad-model --skip-drift
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.figures import Figure, report

ROOT = Path(__file__).resolve().parent.parent
FULL_SECONDS = 90.0
AGAIN_SECONDS = 20.0
# A day of requests, a monitor's job, a training, a rollout and a gate, after a demo in which nothing has changed.
DRIFT_SECONDS = 90.0
# Two more trainings, five more rollouts, and a load while one of them goes back.
BAD_MODEL_SECONDS = 150.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a file with the example's schema")
    parser.add_argument("--skip-bad-model", action="store_true", help="only the good release")
    parser.add_argument("--skip-drift", action="store_true", help="no other callers after it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            figures = measure(clone, arguments)
        finally:
            subprocess.run([sys.executable, "-m", "mlops", "down"], cwd=clone, check=True, capture_output=True)
    return report("Release through three stages", figures, as_json=arguments.json)


def measure(clone: Path, arguments: argparse.Namespace) -> list[Figure]:
    """Every figure. Raises SystemExit where a run did not do what is measured."""
    data = arguments.data
    first, first_seconds = demo(clone, data)
    again, again_seconds = demo(clone, data)
    if again["stages"] != first["stages"]:
        raise SystemExit("The second run released something although nothing had changed.")
    digests = {stage["digest"] for stage in first["stages"].values()}
    figures = [
        Figure("mlops demo, three stages, first run", first_seconds, "s", FULL_SECONDS),
        Figure("mlops demo, three stages, nothing changed", again_seconds, "s", AGAIN_SECONDS),
        Figure("different digests among the stages", len(digests), "", 1),
    ]
    figures += [] if arguments.skip_bad_model else bad_model_figures(clone, data, first)
    # Last: once callers are others, the gate for prod lets no model pass that was made for the ones before.
    return figures + ([] if arguments.skip_drift else drift_figures(clone, data))


def drift_figures(clone: Path, data: Path | None) -> list[Figure]:
    """What other callers lead to."""
    drift, seconds = demo(clone, data, "--drift")
    retraining = drift["drift"]["retraining"]
    if not (retraining["begun"] and retraining["promotion"]["promotes"]):
        raise SystemExit(f"Drift did not lead to a proposal: {retraining}")
    return [Figure("mlops demo --drift, after it", seconds, "s", DRIFT_SECONDS)]


def bad_model_figures(clone: Path, data: Path | None, first: dict[str, Any]) -> list[Figure]:
    """What happens to bad models, and to callers meanwhile."""
    bad, seconds = demo(clone, data, "--bad-model")
    if live(bad) != live(first):
        raise SystemExit(f"A bad model changed what prod runs: {live(bad)} after {live(first)}.")
    back = bad["bad_model"]["rolled_back"]
    blocking = bad["bad_model"]["stopped_by_gate"]["blocking"]
    return [
        Figure("mlops demo --bad-model", seconds, "s", BAD_MODEL_SECONDS),
        Figure("gates that block the worse model", len(blocking), "", 1, better="higher"),
        Figure("requests of callers during the rollback", back["callers"], "", 100, better="higher"),
        Figure("of which failed", sum(back["failures"].values()), "", 0),
    ]


def live(answer: dict[str, Any]) -> tuple[str, str, int]:
    """What prod runs: digest, deployment, and its share of the traffic."""
    prod = answer["stages"]["prod"]
    return prod["digest"], prod["deployment"], prod["traffic"][prod["deployment"]]


def demo(folder: Path, data: Path | None, *options: str) -> tuple[dict[str, Any], float]:
    """One demo: its JSON and its wall time in seconds. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "mlops", "demo", "--json", *options]
    command += ["--data", str(data.resolve())] if data else []
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout), time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
