"""Measures the way through all stages: the full demo, again with nothing changed, and with two bad models.

It works on a clone in a temporary folder, so that neither the checkout nor its emulator is touched.

    uv run python benchmarks/release.py --data credit_default.csv
    uv run python benchmarks/release.py --skip-bad-model
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

from figures import Figure, report

ROOT = Path(__file__).resolve().parent.parent
FULL_SECONDS = 90.0
AGAIN_SECONDS = 20.0
# Two more trainings, five more rollouts, and a load while one of them goes back.
BAD_MODEL_SECONDS = 150.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a file with the example's schema")
    parser.add_argument("--skip-bad-model", action="store_true", help="only the good release")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            figures = measure(clone, arguments.data, bad_model=not arguments.skip_bad_model)
        finally:
            subprocess.run([sys.executable, "-m", "mlops", "down"], cwd=clone, check=True, capture_output=True)
    return report("Release through three stages", figures, as_json=arguments.json)


def measure(clone: Path, data: Path | None, *, bad_model: bool) -> list[Figure]:
    """Every figure. Raises SystemExit where a run did not do what is measured."""
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
    return figures + (bad_model_figures(clone, data, first) if bad_model else [])


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
