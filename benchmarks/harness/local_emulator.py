"""An emulator of a benchmark's own, in a state folder of its own, and the workspace on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

POLL_SECONDS = 0.1


def workspace() -> MLClient:
    """The emulator's workspace, by the unmodified SDK."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    return MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names), show_progress=False)


def start_emulator(state: Path) -> dict[str, str]:
    """Start an emulator; the variables its `env` prints."""
    emulator("start", state)
    return json.loads(emulator("env", state, "--json"))


def mlflow_address(state: Path) -> str:
    """The address of the emulator's MLflow server, once it answers."""
    while not (address := json.loads(emulator("status", state, "--json")).get("mlflow")):
        time.sleep(POLL_SECONDS)
    return address


def emulator(verb: str, state: Path, *more: str) -> str:
    """Run one command of the emulator; what it printed."""
    command = [sys.executable, "-m", "azureml_emulator", verb, "--state", str(state), *more]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
