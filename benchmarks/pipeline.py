"""Measures what the emulator adds to a pipeline: train.yml on it against the same commands in a shell.

Both run the same steps on the same file with the same interpreter and the same MLflow server, on an emulator
of their own in a temporary folder. The shell runs them one after another, each a fresh process.

    uv run python benchmarks/pipeline.py --data my.csv

With --sweep, a sweep of the train step against the same trainings in a loop, by processor time (harness/sweep_cost.py).

    uv run python benchmarks/pipeline.py --sweep 20
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.figures import Figure, report
from harness.local_emulator import POLL_SECONDS, emulator, mlflow_address, start_emulator, workspace
from harness.sweep_cost import sweep_figures

from mlops.core.layout import SCHEMA_FILE
from mlops.init.baseline import step_commands

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = ROOT / "pipelines" / "train.yml"
RUNS = 3
LIMIT = 1.15
TERMINAL = ("Completed", "Failed", "Canceled")


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--data", type=Path, help="a file with the example's schema")
    measured.add_argument("--sweep", type=int, metavar="TRIALS", help="a sweep of so many trials on the sample")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "emulator"
        variables = start_emulator(state)
        try:
            os.environ.update(variables)
            if arguments.sweep:
                figures = sweep_figures(Path(folder), state, arguments.sweep)
                return report(f"A sweep of {arguments.sweep} trials", figures, as_json=arguments.json)
            ratios, figures = compare(arguments.data.resolve(), Path(folder), state)
        finally:
            emulator("stop", state)
    figures.append(Figure("pipeline on the emulator / shell", statistics.median(ratios), "x", LIMIT))
    return report("A pipeline of five steps", figures, as_json=arguments.json)


def compare(data: Path, folder: Path, state: Path) -> tuple[list[float], list[Figure]]:
    """Run both RUNS times in turn; the ratios, and the medians of each side in seconds."""
    tracking = {"MLFLOW_TRACKING_URI": mlflow_address(state), "MLFLOW_EXPERIMENT_NAME": "shell"}
    shell, cloud = [], []
    client = workspace()
    for run in range(RUNS):
        shell.append(shell_seconds(data, folder / f"shell-{run}", tracking))
        cloud.append(pipeline_seconds(client, data))
    ratios = [ours / theirs for ours, theirs in zip(cloud, shell, strict=True)]
    figures = [
        Figure("the five commands in a shell", statistics.median(shell), "s", note="the peer"),
        Figure("the pipeline on the emulator", statistics.median(cloud), "s"),
    ]
    return ratios, figures


def shell_seconds(data: Path, folder: Path, variables: Mapping[str, str]) -> float:
    """The wall time of all the steps' commands run by one shell, one after another."""
    steps = step_commands(ROOT, folder, {"data": str(data), "schema": str(ROOT / SCHEMA_FILE)})
    lines = [f"cd {shlex.quote(str(step.code))} && {shlex.join(step.words)}" for step in steps]
    script = "set -e\n" + "\n".join(lines)
    environment = {**os.environ, **variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = time.perf_counter()
    subprocess.run(["bash", "-c", script], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def pipeline_seconds(client: MLClient, data: Path) -> float:
    """The time from submission to the end of the pipeline on the emulator, with nothing reused."""
    from azure.ai.ml import load_job
    from azure.ai.ml.entities import PipelineJob

    from mlops.azure.sdk_output import suppress_output

    given = {"type": "uri_file", "path": str(data)}
    job = load_job(PIPELINE, params_override=[{"inputs.data": given}, {"settings.force_rerun": True}])
    if not isinstance(job, PipelineJob):
        raise SystemExit(f"{PIPELINE} is not a pipeline job.")
    with suppress_output():
        submitted = client.jobs.create_or_update(job)
    while (now := client.jobs.get(submitted.name)).status not in TERMINAL:
        time.sleep(POLL_SECONDS)
    if now.status != "Completed":
        raise SystemExit(f"The pipeline ended {now.status}: see `azureml-emulator status`.")
    # From the moment the submission arrived: what the client did before that, the shell does not do.
    return (datetime.now(UTC) - now.creation_context.created_at).total_seconds()


if __name__ == "__main__":
    sys.exit(main())
