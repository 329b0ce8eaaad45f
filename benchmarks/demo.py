"""Measures `mlops demo` as a whole process: to dev, or with `--all-stages` to prod, two bad models and drift after it.

Each from an empty state, then again with nothing changed, on a clone in a temporary folder: neither the checkout
nor its emulator is touched.

    uv run python benchmarks/demo.py --data my.csv
    uv run python benchmarks/demo.py            (the embedded synthetic sample)
    uv run python benchmarks/demo.py --all-stages --data my.csv
    uv run python benchmarks/demo.py --all-stages --skip-bad-model --skip-drift
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
FIRST_SECONDS = 45.0
AGAIN_SECONDS = 15.0
ROC_AUC = 0.78
# The limit on the model holds for the real file; the synthetic sample promises only that a model learns.
SAMPLE_ROC_AUC = 0.7
PARITY = 1e-5
# Through all stages.
FULL_SECONDS = 90.0
FULL_AGAIN_SECONDS = 20.0
# A day of requests, a monitor's job, a training, a rollout and a gate, after a demo in which nothing has changed.
DRIFT_SECONDS = 90.0
# Two more trainings, five more rollouts, and a load while one of them goes back.
BAD_MODEL_SECONDS = 150.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a file with the example's schema")
    parser.add_argument("--all-stages", action="store_true", help="to prod, and what happens there")
    parser.add_argument("--skip-bad-model", action="store_true", help="with --all-stages: only the good release")
    parser.add_argument("--skip-drift", action="store_true", help="with --all-stages: no other callers after it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    measured = through_all_stages if arguments.all_stages else to_dev
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            figures = measured(clone, arguments)
        finally:
            subprocess.run([sys.executable, "-m", "mlops", "down"], cwd=clone, check=True, capture_output=True)
    title = "Release through three stages" if arguments.all_stages else "The demo"
    return report(title, figures, as_json=arguments.json)


def to_dev(clone: Path, arguments: argparse.Namespace) -> list[Figure]:
    """The figures of the first stage. Raises SystemExit where a run did not do what is measured."""
    first, first_seconds = demo(clone, arguments.data, "--to", "dev")
    again, again_seconds = demo(clone, arguments.data, "--to", "dev")
    parity = onnx_difference(clone)
    if again["model"] != first["model"]:
        raise SystemExit("The second run made another model although nothing had changed.")
    floor = ROC_AUC if arguments.data else SAMPLE_ROC_AUC
    return [
        Figure("mlops demo --to dev, first run", first_seconds, "s", FIRST_SECONDS),
        Figure("mlops demo --to dev, nothing changed", again_seconds, "s", AGAIN_SECONDS),
        Figure("ROC AUC on the held-out part", first["metrics"]["roc_auc"], "", floor, better="higher"),
        Figure("ONNX against scikit-learn, largest difference", parity * 1e6, "1e-6", PARITY * 1e6),
    ]


def through_all_stages(clone: Path, arguments: argparse.Namespace) -> list[Figure]:
    """Every figure. Raises SystemExit where a run did not do what is measured."""
    data = arguments.data
    first, first_seconds = demo(clone, data)
    again, again_seconds = demo(clone, data)
    if again["stages"] != first["stages"]:
        raise SystemExit("The second run released something although nothing had changed.")
    digests = {stage["digest"] for stage in first["stages"].values()}
    figures = [
        Figure("mlops demo, three stages, first run", first_seconds, "s", FULL_SECONDS),
        Figure("mlops demo, three stages, nothing changed", again_seconds, "s", FULL_AGAIN_SECONDS),
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


def onnx_difference(folder: Path) -> float:
    """The largest difference between ONNX and scikit-learn that the package records, as a probability."""
    evaluations = sorted(folder.glob(".mlops/**/evaluation.json"))
    if not evaluations:
        raise SystemExit("The demo left no evaluation.json below .mlops.")
    return float(json.loads(evaluations[-1].read_text())["onnx_parity"]["maximum_difference"])


if __name__ == "__main__":
    sys.exit(main())
