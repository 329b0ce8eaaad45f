"""What can be set of an emulator, parsed once and frozen; reads the environment, touches no file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ENVIRONMENT_PREFIX = "AZUREML_EMULATOR_"
LOOPBACK = "127.0.0.1"
# The certificate of a state folder's own authority.
AUTHORITY_FILE = "authority.pem"


class Settings(BaseModel):
    """One emulator's settings.

    `port` 0 means: the one used last time, else any free one. `strict` stops workspaces from
    coming into being when first asked for. `step_launcher` says how steps of jobs and servers of deployments
    are started: forked from a warm server that has their imports, or as plain processes. `mlflow_start` "late"
    starts MLflow when something first needs it, for emulators that live briefly. `model_errors` "as_azure"
    answers 424 for every model answer but 200, as managed endpoints do; "passed" keeps the model's own status.
    `endpoint_operations` "one_at_a_time" refuses an operation on an endpoint or on one of its deployments while
    another goes on anywhere in the endpoint; "by_resource" only while one on the same resource does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Path
    port: int = Field(default=0, ge=0, le=65535)
    strict: bool = False
    step_launcher: Literal["warm", "plain"] = "warm"
    mlflow_start: Literal["early", "late"] = "early"
    model_errors: Literal["passed", "as_azure"] = "passed"
    endpoint_operations: Literal["by_resource", "one_at_a_time"] = "by_resource"
    parallel_steps: int = Field(default=max(2, os.cpu_count() or 2), ge=1, le=64)
    location: str = Field(default="eastus", pattern=r"^[a-z0-9]+$")
    subscription: str = Field(default="00000000-0000-0000-0000-000000000000", pattern=r"^[0-9a-fA-F-]{36}$")
    resource_group: str = Field(default="emulator", pattern=r"^[\w().-]{1,90}$")
    workspace: str = Field(default="emulator", pattern=r"^[a-zA-Z0-9][\w-]{1,32}$")
    registry: str = Field(default="emulator", pattern=r"^[a-zA-Z0-9][\w-]{1,32}$")
    record: Path | None = None


def default_state() -> Path:
    """The state folder where none is named: one per person, in the place the XDG base directories name."""
    named = os.environ.get(f"{ENVIRONMENT_PREFIX}STATE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "azureml-emulator"


def cloud_name(base_url: str) -> str:
    """What an emulator is called as a cloud; a name an address, for clients keep what a name once stood for."""
    return f"AzureMLEmulator-{base_url.rpartition(':')[2]}"
