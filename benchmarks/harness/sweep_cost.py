"""What a sweep on the emulator costs: trials, two at a time, against the same trainings in a loop.

Processor time, not wall time, so that a busy machine says the same. The loop runs the train step's program as a fresh
process with the parameters of each trial; both log to the same MLflow server. Linux only.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.figures import Figure
from harness.local_emulator import POLL_SECONDS, emulator, mlflow_address, workspace
from harness.processor_time import tree_seconds
from mlops.core.layout import SCHEMA_FILE
from mlops.init.baseline import StepCommand, step_commands

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parents[2]
CONCURRENT = 2
LIMIT = 1.2
TRAIN_STEP = "train_model"
TERMINAL = ("Completed", "Failed", "Canceled")
SPACE = {
    "learning_rate": {"type": "uniform", "min_value": 0.03, "max_value": 0.2},
    "maximum_leaves": {"type": "choice", "values": [6, 16, 32]},
    "minimum_leaf_rows": {"type": "choice", "values": [10, 40]},
    "feature_share": {"type": "choice", "values": [0.5, 1.0]},
}


def sweep_figures(folder: Path, state: Path, trials: int) -> list[Figure]:
    """Run the sweep, then the loop with the parameters of its trials; the processor time of each in seconds."""
    data, tracking = folder / "sample.csv", {"MLFLOW_TRACKING_URI": mlflow_address(state)}
    generate = [sys.executable, ROOT / "data" / "generate_sample.py", "--out", data]
    subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
    steps = list(step_commands(ROOT, folder, {"data": str(data), "schema": str(ROOT / SCHEMA_FILE)}))
    train = next(step for step in steps if step.name == TRAIN_STEP)
    for step in steps[: steps.index(train)]:
        run(step, step.words, tracking)
    process = json.loads(emulator("status", state, "--json"))["pid"]
    client = workspace()
    sweep_seconds(client, process, train, 1)
    swept, parameters = sweep_seconds(client, process, train, trials)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for given in parameters:
        run(train, with_options(train.words, given), tracking)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    looped = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return [
        Figure(f"{trials} trainings in a loop", looped, "s", note="the peer"),
        Figure(f"a sweep of {trials} trials, {CONCURRENT} at a time", swept, "s"),
        Figure("sweep / loop", swept / looped, "x", LIMIT),
    ]


def sweep_seconds(
    client: MLClient, process: int, train: StepCommand, trials: int
) -> tuple[float, list[dict[str, Any]]]:
    """The processor time of a sweep, with everything that the emulator does for it; and its trials' parameters."""
    from azure.ai.ml import load_job

    from mlops.azure.sdk_output import suppress_output

    document = {
        "type": "pipeline",
        "experiment_name": "sweep",
        "settings": {"default_compute": "azureml:cpu-cluster"},
        "jobs": {
            "tune": {
                "type": "sweep",
                "trial": str(ROOT / "components" / TRAIN_STEP / "component.yml"),
                "search_space": SPACE,
                "sampling_algorithm": {"type": "random", "rule": "sobol", "seed": trials},
                "objective": {"primary_metric": "held_out_roc_auc", "goal": "maximize"},
                "limits": {"max_total_trials": trials, "max_concurrent_trials": CONCURRENT},
                "inputs": {"split_data": {"type": "uri_folder", "path": train.inputs["split_data"]}},
            }
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sweep.yml"
        file.write_text(json.dumps(document))
        with suppress_output():
            job = load_job(file)
        before = tree_seconds(process)
        with suppress_output():
            submitted = client.jobs.create_or_update(job)
    while (now := client.jobs.get(submitted.name)).status not in TERMINAL:
        time.sleep(POLL_SECONDS)
    if now.status != "Completed":
        raise SystemExit(f"The sweep ended {now.status}.")
    seconds = tree_seconds(process) - before
    (sweep,) = client.jobs.list(parent_job_name=submitted.name)
    names = [child.name for child in client.jobs.list(parent_job_name=sweep.name)]
    tags = client.jobs.get(sweep.name).tags
    return seconds, [json.loads(tags[f"_aml_system_{name}"]) for name in names]


def with_options(words: list[str], given: Mapping[str, Any]) -> list[str]:
    """The step's command with other values of some options."""
    changed = list(words)
    for name, value in given.items():
        changed[changed.index(f"--{name.replace('_', '-')}") + 1] = str(value)
    return changed


def run(step: StepCommand, words: list[str], variables: Mapping[str, str]) -> None:
    """Run a step's command in its folder."""
    for output in step.outputs.values():
        Path(output).mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=step.code, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)} failed:\n{done.stderr}")
