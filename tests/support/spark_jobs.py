"""Runs a pipeline with Spark steps on a local workspace of its own, by Azure's SDK."""

from pathlib import Path

import pytest

from azureml_emulator.testing import running_emulator


def run_pipeline(file: Path, folder: Path) -> None:
    """Run it to its end, and download its outputs to `got` in the folder. Raises JobException when it fails."""
    with running_emulator(folder / "state", background_start="lazy") as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient, load_job
        from azure.identity import DefaultAzureCredential

        names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
        client = MLClient(DefaultAzureCredential(), *(running.variables[name] for name in names))
        job = client.jobs.create_or_update(load_job(file))
        client.jobs.stream(job.name)
        client.jobs.download(job.name, download_path=folder / "got", all=True)
