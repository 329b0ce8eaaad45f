"""Measures the gates' recomputation of all evidence, and its bootstrap against a loop over scikit-learn.

Two packages made by the steps themselves, 7,500 held-out rows, 1,000 rounds. The loop computes five metrics of
both models round by round; a few rounds are timed and extrapolated.

    uv run python benchmarks/gates.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness.figures import Figure, report
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score, roc_curve

from mlops.gates.evidence import Candidate, Proposal, read_held_out
from mlops.gates.report import run_gates
from mlops.settings.gates import GATES_FILE, GatesFile, read_gates
from mlops.settings.project import read_project_schema
from mlops.settings.releases import Release
from mlops.settings.stages import StageOrder
from model_package.package import package_digest
from model_package.rows.tables import column, matrix
from model_package.runtime import Scorer
from model_package.statistics.binary_metrics import prepare
from model_package.statistics.bootstrap import Bootstrap, compare

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT_ROWS = 7_500
ROUNDS = 1_000
LOOP_ROUNDS = 10
RUNS = 3
ALL_SECONDS = 5.0
BOOTSTRAP_SECONDS = 1.5
BINS = 10
ITERATIONS = 100
# A quarter of the rows is held out, give or take chance: enough for 7,500.
SAMPLE_ROWS = 31_000

Floats = npt.NDArray[np.float64]


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name))
    return report("Gates", figures, as_json=arguments.json)


def measure(folder: Path) -> list[Figure]:
    """Make two packages by the steps, then time."""
    make(folder)
    gates = read_gates(ROOT / GATES_FILE, ORDER, read_project_schema(ROOT))
    assert gates.bootstrap.rounds == ROUNDS
    rows = read_held_out(folder / "split" / "test.parquet").head(HELD_OUT_ROWS)
    assert rows.height == HELD_OUT_ROWS
    new, old = (candidate(folder / name) for name in ("new", "old"))
    proposal = Proposal("staging", new, old, rows, read_held_out(folder / "split" / "validation.parquet"))
    everything = median_seconds(lambda: run_gates(proposal, gates))
    target, scores = scored(proposal)
    bootstrap = median_seconds(lambda: compared(target, scores, gates))
    loop = loop_seconds(target, scores) * ROUNDS / LOOP_ROUNDS
    note = f"{loop / bootstrap:.0f} x faster than the loop's {loop:.1f} s, which has fewer metrics"
    return [
        Figure("all evidence and verdict, 7,500 rows, 1,000 rounds", everything, "s", ALL_SECONDS),
        Figure("the paired bootstrap in it", bootstrap, "s", BOOTSTRAP_SECONDS, note=note),
        Figure("bootstrap against the loop", loop / bootstrap, "x", 5.0, "higher"),
    ]


def make(folder: Path) -> None:
    """A split, and packages `new` and `old`, as the pipeline makes them."""
    run("data/generate_sample.py", rows=SAMPLE_ROWS, out=folder / "sample.csv")
    step(
        "validate_data",
        schema=ROOT / "schema.yml",
        data=folder / "sample.csv",
        validated_data=folder / "valid",
        validation_report=folder / "v",
    )
    split = folder / "split"
    step("prepare_data", validated_data=folder / "valid", split_data=split)
    for name, seed in (("new", 1), ("old", 2)):
        model, evaluation = folder / f"{name}-model", folder / f"{name}-evaluation"
        step("train_model", split_data=split, trained_model=model, iterations=ITERATIONS, seed=seed)
        step(
            "evaluate_model",
            split_data=split,
            trained_model=model,
            evaluation=evaluation,
            bootstrap_resamples=50,
        )
        step(
            "package_model",
            split_data=split,
            trained_model=model,
            evaluation=evaluation,
            model_package=folder / name,
        )


def step(name: str, **arguments: object) -> None:
    """Run one step. Raises CalledProcessError when it fails."""
    run(f"components/{name}/{name}.py", **arguments)


def run(script: str, **arguments: object) -> None:
    """Run one script of the project. Raises CalledProcessError when it fails."""
    pairs = [("--" + key.replace("_", "-"), str(value)) for key, value in arguments.items()]
    words = [word for pair in pairs for word in pair]
    subprocess.run([sys.executable, str(ROOT / script), *words], check=True, capture_output=True)


def candidate(package: Path) -> Candidate:
    """A release of the package as it is."""
    known = json.loads((package / "provenance.json").read_text())
    source = {"stage": "dev", "job": known["job"], "git_commit": known["git_commit"], "data": known["data"]}
    model = {"name": "benchmark", "version": "1", "digest": package_digest(package)}
    return Candidate(package, Release.model_validate({"model": model, "source": source}))


def scored(proposal: Proposal) -> tuple[Floats, list[tuple[Floats, float]]]:
    """The target [rows], and each model's probabilities [rows] with its threshold."""
    assert proposal.champion
    opened = [Scorer.open(each.folder) for each in (proposal.challenger, proposal.champion)]
    schema = opened[0].schema
    features = matrix(proposal.held_out, schema.names, np.float32)
    return column(proposal.held_out, schema.target), [(each.score(features), each.schema.threshold) for each in opened]


def compared(target: Floats, scores: list[tuple[Floats, float]], gates: GatesFile) -> None:
    """The gates' own bootstrap, preparation included."""
    new, old = (prepare(target, probability, threshold, BINS) for probability, threshold in scores)
    compare(new, old, Bootstrap(gates.bootstrap.rounds, gates.bootstrap.seed, gates.bootstrap.confidence))


def loop_seconds(target: Floats, scores: list[tuple[Floats, float]]) -> float:
    """Seconds of LOOP_ROUNDS rounds as one would write them first."""
    random = np.random.default_rng(1)
    start = time.perf_counter()
    for _ in range(LOOP_ROUNDS):
        chosen = random.integers(0, len(target), len(target))
        for probability, threshold in scores:
            drawn, found = target[chosen], probability[chosen]
            roc_auc_score(drawn, found)
            average_precision_score(drawn, found)
            brier_score_loss(drawn, found)
            f1_score(drawn, found >= threshold)
            fall_out, recall, _ = roc_curve(drawn, found)
            np.abs(recall - fall_out).max()
    return time.perf_counter() - start


def median_seconds(action: Callable[[], object]) -> float:
    """The median time of an action in seconds, after one run that warms up."""
    action()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
