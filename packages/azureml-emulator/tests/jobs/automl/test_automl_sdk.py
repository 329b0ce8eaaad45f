"""AutoML through the unmodified SDK: as a job and as a step of a pipeline, with trials, best child and MLflow model."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from azure.ai.ml import Input, Output, automl, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model

pytest.importorskip("flaml", reason="AutoML needs the emulator's extra: uv sync --group automl")

import mlflow.pyfunc

from azureml_emulator.testing import RunningEmulator, wait_for

ENDED = {"Completed", "Failed", "Canceled"}
# Trials import FLAML and the learners, which takes seconds each.
pytestmark = [pytest.mark.xdist_group("jobs"), pytest.mark.long]

MLTABLE = "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n"
PIPELINE = """
type: pipeline
experiment_name: automl
settings: {default_compute: azureml:cpu-cluster}
inputs:
  rows: {type: mltable, path: ./train}
outputs:
  chosen: {type: mlflow_model}
jobs:
  fit:
    type: automl
    task: regression
    primary_metric: r2_score
    target_column_name: price
    training_data: ${{parent.inputs.rows}}
    validation_data_size: 0.25
    limits: {max_trials: 2, timeout_minutes: 30}
    training: {allowed_training_algorithms: [light_gbm, elastic_net]}
    outputs:
      best_model: ${{parent.outputs.chosen}}
  look:
    type: command
    command: test -f ${{inputs.model}}/MLmodel
    environment: {image: busybox}
    inputs:
      model: ${{parent.jobs.fit.outputs.best_model}}
"""


@pytest.fixture
def rows() -> pd.DataFrame:
    """Rows with a category, a missing value in every seventh, and an identifier that tells nothing."""
    random = np.random.default_rng(3)
    table = pd.DataFrame({"size": random.normal(size=400), "kind": random.choice(["flat", "house", "barn"], 400)})
    table["churn"] = np.where((table["size"] > 0) ^ (table["kind"] == "barn"), "yes", "no")
    table["price"] = 3 * table["size"] + 2 * (table["kind"] == "house") + random.normal(scale=0.1, size=400)
    table["reference"] = [f"r{number}" for number in range(400)]
    return table


@pytest.fixture
def table_of(tmp_path: Path) -> Callable[[pd.DataFrame, str], Path]:
    """Writes an MLTable folder."""

    def write(table: pd.DataFrame, name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        table.to_csv(folder / "rows.csv", index=False)
        (folder / "MLTable").write_text(MLTABLE)
        return folder

    return write


def test_a_classification_job_ends_in_an_mlflow_model(
    ml_client: Any,
    rows: pd.DataFrame,
    table_of: Callable[[pd.DataFrame, str], Path],
    found_runs: Callable[[str, str], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    # given a table with missing values, of which LightGBM is not sure
    rows.loc[::7, "size"] = np.nan
    given = rows.drop(columns="price")
    training = Input(type=AssetTypes.MLTABLE, path=str(table_of(given.iloc[:300], "train")))
    job = automl.classification(
        compute="cpu-cluster",
        experiment_name="automl",
        training_data=training,
        validation_data=Input(type=AssetTypes.MLTABLE, path=str(table_of(given.iloc[300:], "valid"))),
        target_column_name="churn",
        primary_metric="AUC_weighted",
    )
    job.set_limits(max_trials=8, max_concurrent_trials=2, timeout_minutes=30, exit_score=0.9)
    job.set_training(allowed_training_algorithms=["LightGBM", "GradientBoosting", "RandomForest"])

    # when it is streamed to its end
    created = ml_client.jobs.create_or_update(job)
    shown = io.StringIO()
    with redirect_stdout(shown):
        ml_client.jobs.stream(created.name)

    # then the exit score ended it, and the tag that Azure sets names the best trial
    done = ml_client.jobs.get(created.name)
    assert (done.status, done.type, done.task_type.lower()) == ("Completed", "automl", "classification")
    assert "the exit score 0.9 is reached" in shown.getvalue()
    best = done.tags["automl_best_child_run_id"]
    children = {child.name: child for child in ml_client.jobs.list(parent_job_name=created.name)}
    assert best in children
    assert len(children) < 8
    assert {child.properties["run_algorithm"] for child in children.values()} <= {"GradientBoosting", "RandomForest"}
    assert done.tags["run_algorithm_000"].split(";")[0] == "GradientBoosting"

    # and the registered model is what MLflow reads, from the rows as they are
    model = registered(ml_client, f"azureml://jobs/{created.name}/outputs/best_model", tmp_path)
    unseen = given.iloc[300:].drop(columns="churn").assign(kind=lambda table: table["kind"].replace("barn", "tent"))
    assert set(np.asarray(model.predict(unseen))) == {"yes", "no"}
    answers = np.asarray(model.predict(given.iloc[300:]))
    assert np.mean(answers == given["churn"].iloc[300:].to_numpy()) > 0.8

    # and so is the metric
    (run,) = found_runs("automl", f"tags.`azureml.job` = '{best}'")
    metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert metrics["AUC_weighted"] == float(done.properties["best_score"]) >= 0.9
    (parent,) = found_runs("automl", f"tags.`azureml.job` = '{created.name}'")
    assert {"key": "automl_best_child_run_id", "value": best} in parent["data"]["tags"]


def test_a_regression_step_gives_its_model_to_the_next_one(
    ml_client: Any, rows: pd.DataFrame, table_of: Callable[[pd.DataFrame, str], Path], tmp_path: Path
) -> None:
    table_of(rows.drop(columns="churn"), "train")
    (tmp_path / "pipeline.yml").write_text(PIPELINE)

    job = ml_client.jobs.create_or_update(load_job(tmp_path / "pipeline.yml"))
    with redirect_stdout(io.StringIO()):
        ml_client.jobs.stream(job.name)

    steps = {child.display_name: child for child in ml_client.jobs.list(parent_job_name=job.name)}
    assert {name: step.status for name, step in steps.items()} == {"fit": "Completed", "look": "Completed"}
    assert float(steps["fit"].properties["best_score"]) > 0.9
    model = registered(ml_client, f"azureml://jobs/{job.name}/outputs/chosen", tmp_path)
    assert np.corrcoef(np.asarray(model.predict(rows)), rows["price"])[0, 1] > 0.9


def test_a_search_goes_on_after_the_emulator_was_killed(
    fresh_emulator: Callable[..., RunningEmulator],
    monkeypatch: pytest.MonkeyPatch,
    rows: pd.DataFrame,
    table_of: Callable[[pd.DataFrame, str], Path],
) -> None:
    # given a search of which a trial has ended and another one runs
    running = fresh_emulator()
    client = connected(running, monkeypatch)
    job = automl.regression(
        compute="cpu-cluster",
        experiment_name="automl",
        training_data=Input(type=AssetTypes.MLTABLE, path=str(table_of(rows.drop(columns="churn"), "train"))),
        target_column_name="price",
        primary_metric="r2_score",
    )
    job.set_limits(max_trials=3, timeout_minutes=30)
    job.set_training(allowed_training_algorithms=["ElasticNet", "RandomForest"])
    name = client.jobs.create_or_update(job).name
    before = wait_for(
        lambda: found if {"Completed", "Running"} <= set((found := trials(client, name)).values()) else None
    )

    # when the emulator is killed and started again
    running.kill()
    running.restart()
    client = connected(running, monkeypatch)

    # then the search ends with all of its trials, and its model comes from the best one
    done = wait_for(lambda: ended if (ended := client.jobs.get(name)).status in ENDED else None)
    assert done.status == "Completed"
    assert trials(client, name) == {f"{name}_{number}": "Completed" for number in range(3)}
    assert set(before) <= set(trials(client, name))
    assert done.tags["automl_best_child_run_id"] in trials(client, name)


def test_a_job_built_in_python_is_a_step_too(
    ml_client: Any, rows: pd.DataFrame, table_of: Callable[[pd.DataFrame, str], Path]
) -> None:
    # given the SDK's decorator, with a regression whose data cannot be learned from
    from azure.ai.ml.dsl import pipeline

    @pipeline(None, default_compute="cpu-cluster")
    def broken(training):  # The SDK takes an annotation for the type of an input.
        node = automl.regression(
            training_data=training,
            target_column_name="cost",
            primary_metric="r2_score",
            outputs={"best_model": Output(type="mlflow_model")},
        )
        node.set_limits(max_trials=20, timeout_minutes=30)

    data = Input(type=AssetTypes.MLTABLE, path=str(table_of(rows, "train")))
    job = ml_client.jobs.create_or_update(broken(training=data), experiment_name="automl")

    # when every trial fails
    with redirect_stdout(io.StringIO()), pytest.raises(Exception, match="has no column 'cost', which is the target"):
        ml_client.jobs.stream(job.name)

    # then three were enough to see it
    (step,) = ml_client.jobs.list(parent_job_name=job.name)
    assert len(list(ml_client.jobs.list(parent_job_name=step.name))) == 3


def connected(running: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK on another emulator than the worker's."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    for variable, value in running.variables.items():
        monkeypatch.setenv(variable, value)
    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    return MLClient(DefaultAzureCredential(), *(running.variables[name] for name in names))


def trials(client: Any, job: str) -> dict[str, str]:
    """The states of a job's trials by their names."""
    return {child.name: child.status for child in client.jobs.list(parent_job_name=job)}


def registered(ml_client: Any, path: str, folder: Path) -> Any:
    """Register a model, download it, and load it."""
    made = ml_client.models.create_or_update(Model(path=path, name=f"automl-{uuid.uuid4()}", type="mlflow_model"))
    ml_client.models.download(made.name, made.version, download_path=folder)
    (description,) = (folder / made.name).rglob("MLmodel")
    return mlflow.pyfunc.load_model(str(description.parent))
