"""A program that uses MLflow outside of a job, in a workspace that the SDK uses too; prints what it found as JSON.

A separate process: azureml-mlflow reads the cloud's metadata when MLflow imports it as a plugin.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import mlflow
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential


def main(job: str, name: str, of_sdk: str, plain: str) -> None:
    """Read the job's artifacts and models, change models, and log runs by both addresses.

    `name` is the model that the job registered with MLflow, `of_sdk` one that the SDK has registered, and `plain` the
    address of MLflow's web pages.
    """
    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    ml_client = MLClient(DefaultAzureCredential(), *(os.environ[each] for each in names))
    mlflow.set_tracking_uri(ml_client.workspaces.get(ml_client.workspace_name).mlflow_tracking_uri)
    client = mlflow.MlflowClient()
    registered = client.get_model_version(name, "1")
    found = {
        "artifacts": [file.path for file in client.list_artifacts(job)],
        "outputs": [file.path for file in client.list_artifacts(job, "outputs")],
        "run of version": registered.run_id,
        "of sdk": client.get_model_version(of_sdk, "1").description,
        "searched": [each.name for each in client.search_registered_models(f"name LIKE '{name[:6]}%'")],
        "predictions": [
            mlflow.pyfunc.load_model(uri).predict([1])
            for uri in (f"models:/{name}/1", f"runs:/{job}/model", f"models:/{of_sdk}/latest")
        ],
        "downloaded": [file.name for file in Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1")).iterdir()],
    }
    client.set_registered_model_alias(name, "champion", "1")
    client.transition_model_version_stage(name, "1", "Production")
    client.set_model_version_tag(name, "1", "reviewed", "yes")
    client.update_model_version(name, "1", "good")
    client.update_registered_model(name, "many")
    found["by alias"] = mlflow.pyfunc.load_model(f"models:/{name}@champion").predict([2])
    found["outside"] = _run("outside", name)
    mlflow.set_tracking_uri(plain)
    found["plain"] = _run("plain", name)
    print(json.dumps(found))


def _run(experiment: str, name: str) -> dict[str, str]:
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=f"run of {experiment}") as run:
        mlflow.set_tag("colour", "red")
        mlflow.log_text("hello", "hello.txt")
        with mlflow.start_run(nested=True) as inner:
            pass
        mlflow.pyfunc.log_model("model", python_model=_next, pip_requirements=[])
        version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name).version
    return {"run": run.info.run_id, "inner": inner.info.run_id, "version": str(version)}


def _next(model_input: list[int]) -> list[int]:
    return [number + 1 for number in model_input]


if __name__ == "__main__":
    main(*sys.argv[1:])
