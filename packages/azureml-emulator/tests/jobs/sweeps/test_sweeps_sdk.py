"""Sweeps through the unmodified SDK: from a command, as a step of a pipeline, with outputs, children and MLflow."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Output, command, load_job
from azure.ai.ml.sweep import BanditPolicy, Choice, RandomSamplingAlgorithm, Uniform

pytestmark = pytest.mark.xdist_group("jobs")

TRIAL = Path(__file__).with_name("trial.py").read_text()
PIPELINE = """
type: pipeline
experiment_name: sweeps
settings: {default_compute: azureml:cpu-cluster}
outputs:
  best: {type: uri_folder}
jobs:
  tune:
    type: sweep
    trial: ./component.yml
    search_space:
      x: {type: choice, values: [2, 5, 3]}
    sampling_algorithm: grid
    objective: {goal: maximize, primary_metric: score}
    limits: {max_total_trials: 3, max_concurrent_trials: 2, timeout: 3600}
    inputs: {mode: once}
    outputs: {model: "${{parent.outputs.best}}"}
"""
COMPONENT = """
type: command
name: swept_trial
version: "1"
code: ./code
environment: {image: busybox}
inputs: {x: {type: number}, mode: {type: string}}
outputs: {model: {type: uri_folder}}
command: python trial.py ${{inputs.x}} ${{inputs.mode}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "trial.py").write_text(TRIAL)
    (tmp_path / "component.yml").write_text(COMPONENT)
    (tmp_path / "pipeline.yml").write_text(PIPELINE)
    return tmp_path


def test_a_command_is_swept_streamed_and_its_best_trial_downloaded(
    ml_client: Any, project: Path, found_runs: Callable[[str, str], list[dict[str, Any]]]
) -> None:
    base = command(
        code=project / "code",
        command="python trial.py ${{inputs.x}} ${{inputs.mode}}",
        inputs={"x": 1.0, "mode": "once", "lr": 0.1},
        outputs={"model": Output(type="uri_folder")},
        environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
    )
    swept = base(x=Choice([4.0, 8.0, 6.0]), lr=Uniform(0.1, 1)).sweep(
        compute="cpu-cluster",
        primary_metric="score",
        goal="Maximize",
        max_total_trials=4,
        max_concurrent_trials=2,
        early_termination_policy=BanditPolicy(slack_factor=0.15, evaluation_interval=1, delay_evaluation=10),
    )

    swept.sampling_algorithm = RandomSamplingAlgorithm(seed=11, rule="sobol")
    swept.experiment_name = "sweeps"
    job = ml_client.jobs.create_or_update(swept)
    with redirect_stdout(io.StringIO()):
        ml_client.jobs.stream(job.name)

    # then the SDK reads the sweep, its trials and the best one's files
    done = ml_client.jobs.get(job.name)
    assert (done.status, done.type, done.objective.goal) == ("Completed", "sweep", "maximize")
    best = done.properties["best_child_run_id"]
    children = {child.name for child in ml_client.jobs.list(parent_job_name=job.name)}
    assert children == {f"{job.name}_{number}" for number in range(4)}
    trial = ml_client.jobs.get(best)
    assert (trial.type, trial.status) == ("command", "Completed")
    ml_client.jobs.download(job.name, output_name="model", download_path=project / "named")
    score = (project / "named" / "named-outputs" / "model" / "score.txt").read_text().split()[0]
    assert float(score) == float(done.properties["score"])
    ml_client.jobs.download(job.name, download_path=project / "default")
    assert (project / "default" / "artifacts" / "outputs" / "artifact.txt").read_text() == score
    log = project / "default" / "hd-artifacts" / "azureml-logs" / "hyperdrive.txt"
    assert f"The best trial is {best}" in log.read_text()

    # and MLflow has the trials below the sweep
    runs = found_runs("sweeps", f"tags.`azureml.job` = '{job.name}'")
    below = found_runs("sweeps", f"tags.mlflow.parentRunId = '{runs[0]['info']['run_id']}'")
    scores = [metric["value"] for run in below for metric in run["data"]["metrics"]]
    assert (len(scores), max(scores)) == (4, float(done.properties["score"]))
    assert {"key": "best_child_run_id", "value": best} in runs[0]["data"]["tags"]


def test_a_sweep_step_from_a_file_gives_the_pipeline_its_best_output(ml_client: Any, project: Path) -> None:
    job = ml_client.jobs.create_or_update(load_job(project / "pipeline.yml"))

    with redirect_stdout(io.StringIO()):
        ml_client.jobs.stream(job.name)

    ml_client.jobs.download(job.name, output_name="best", download_path=project)
    assert (project / "named-outputs" / "best" / "score.txt").read_text() == "5 5"
