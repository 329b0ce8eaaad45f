"""A program that reads two runs with azureml-mlflow and logs more to one; prints what it found as JSON.

A separate process: azureml-mlflow reads the cloud's metadata when MLflow imports it as a plugin.
"""

from __future__ import annotations

import json
import os
import sys

import mlflow
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential


def main(workspace: str, job: str, child: str) -> None:
    """Read, log, read again."""
    credential = DefaultAzureCredential()
    ml_client = MLClient(credential, os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"], workspace)
    mlflow.set_tracking_uri(ml_client.workspaces.get(workspace).mlflow_tracking_uri)
    client = mlflow.MlflowClient()
    run, parent = mlflow.get_run(child), mlflow.get_run(job)
    found = {
        "params": run.data.params,
        "loss": run.data.metrics["loss"],
        "run": run.info.run_id,
        "status": [run.info.status, parent.info.status],
        "parent": run.data.tags["mlflow.parentRunId"],
        "history": [point.value for point in client.get_metric_history(child, "loss")],
        "artifacts": [file.path for file in client.list_artifacts(child)],
    }
    client.log_metric(child, "later", 1.0)
    client.set_tag(child, "reviewed", "yes")
    again = client.get_run(child)
    with mlflow.start_run(run_id=child):
        mlflow.log_text("note", "note.txt")
    found |= {
        "later": again.data.metrics["later"],
        "reviewed": again.data.tags["reviewed"],
        "note": mlflow.artifacts.load_text(f"runs:/{child}/note.txt"),
        "searched": [
            each.info.run_id for each in mlflow.search_runs(experiment_names=["tracked"], output_format="list")
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
