"""Runs a pipeline with Spark steps on a local workspace of its own, by Azure's SDK."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Tells a hang from a slow machine.
_HANG_SECONDS = 600


def run_pipeline(file: Path, folder: Path, **inputs: object) -> None:
    """Run it to its end, with other inputs, and download its outputs to `got` in the folder.

    Raises JobException when it fails.
    """
    with _workspace(folder / "state") as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient, load_job
        from azure.identity import DefaultAzureCredential

        names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
        client = MLClient(DefaultAzureCredential(), *(variables[name] for name in names))
        overrides = [{f"inputs.{name}": value} for name, value in inputs.items()]
        job = client.jobs.create_or_update(load_job(file, params_override=overrides))
        client.jobs.stream(job.name)
        client.jobs.download(job.name, download_path=folder / "got", all=True)


@contextmanager
def _workspace(state: Path) -> Generator[dict[str, str]]:
    """A local workspace while it is needed; what programs have to know of it."""
    _emulator("start", state)
    try:
        yield json.loads(_emulator("env", state, "--json"))
    finally:
        _emulator("stop", state)


def _emulator(command: str, state: Path, *options: str) -> str:
    program = Path(sys.executable).with_name("azureml-emulator")
    words = [str(program), command, "--state", str(state), *options]
    output = state.parent / f"{command}.log"
    # A file, because the emulator keeps what it was started with.
    with output.open("w") as stream:
        subprocess.run(words, stdout=stream, check=True, timeout=_HANG_SECONDS)
    return output.read_text()
