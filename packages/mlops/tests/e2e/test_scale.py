"""Several machines for one step: a model trained in two processes, and files scored by those of two instances."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from .conftest import Lifecycle

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.long]

PIPELINE = """
type: pipeline
settings: {default_compute: azureml:cpu-cluster}
jobs:
"""
NODE = """
  on_INSTANCES:
    type: parallel
    component: COMPONENT
    resources: {instance_count: INSTANCES}
    max_concurrency_per_instance: 1
    inputs:
      data: {type: uri_folder, path: DATA}
      model: {type: custom_model, path: "azureml:MODEL"}
"""
RUN = """
import os, sys
from azure.ai.ml import MLClient, load_job
from azure.identity import DefaultAzureCredential

names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
client = MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))
job = client.jobs.create_or_update(load_job(sys.argv[1]))
client.jobs.stream(job.name)
for step in client.jobs.list(parent_job_name=job.name):
    client.jobs.download(step.name, download_path=os.path.join(sys.argv[2], step.display_name), all=True)
"""
FILES, ROWS = 12, 400


@pytest.mark.skipif(
    importlib.util.find_spec("xgboost") is None, reason="xgboost is not installed: uv sync --group distributed"
)
def test_a_model_is_trained_in_two_processes_and_registered_like_any_other(lifecycle: Lifecycle) -> None:
    trained = lifecycle.clone.document(
        "train", "--pipeline", "distributed", "--data", str(lifecycle.data), **lifecycle.variables
    )

    assert trained["new"]
    pipeline = yaml.safe_load((lifecycle.clone.folder / "pipelines" / "train.distributed.yml").read_text())
    assert {step["name"] for step in trained["steps"]} == pipeline["jobs"].keys()
    # It is as good as the model of one process on the same rows.
    assert trained["metrics"].keys() == lifecycle.first["metrics"].keys()
    assert trained["metrics"]["roc_auc"] > lifecycle.first["metrics"]["roc_auc"] - 0.03


def test_two_instances_score_with_processes_of_their_own_and_the_same_results(
    lifecycle: Lifecycle, tmp_path: Path
) -> None:
    rows = pl.read_csv(lifecycle.data)
    (tmp_path / "rows").mkdir()
    for number in range(FILES):
        rows.slice(number * ROWS // 2, ROWS).write_parquet(tmp_path / "rows" / f"{number}.parquet")
    model = f"{lifecycle.first['model']['name']}:{lifecycle.first['model']['version']}"
    given = {
        "COMPONENT": str(lifecycle.clone.folder / "components" / "score_batch" / "component.yml"),
        "DATA": str(tmp_path / "rows"),
        "MODEL": model,
    }
    text = PIPELINE
    for instances in (1, 2):
        node = NODE.replace("INSTANCES", str(instances))
        for word, value in given.items():
            node = node.replace(word, value)
        text += node
    (tmp_path / "twice.yml").write_text(text)

    command = [sys.executable, "-c", RUN, str(tmp_path / "twice.yml"), str(tmp_path / "got")]
    dev = lifecycle.clone.project.settings.stage("dev")
    workspace = {"AZURE_RESOURCE_GROUP": dev.resource_group, "AZUREML_WORKSPACE_NAME": dev.workspace}
    variables = {**os.environ, **lifecycle.variables, **workspace}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    one, two = (tmp_path / "got" / f"on_{instances}" for instances in (1, 2))
    predictions = [{file.name: pl.read_parquet(file) for file in each.rglob("*.scored.parquet")} for each in (one, two)]
    assert len(predictions[0]) == FILES
    assert predictions[0].keys() == predictions[1].keys()
    assert all(predictions[0][name].equals(predictions[1][name]) for name in predictions[0])
    # Each process has a log with the mini-batches that it scored.
    assert [len({file.name for file in each.rglob("sys/node/*/*.txt")}) for each in (one, two)] == [1, 2]
