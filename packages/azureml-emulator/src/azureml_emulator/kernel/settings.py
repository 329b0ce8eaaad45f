"""The settings of an emulator, parsed once and frozen. Reads the environment, touches no file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ENVIRONMENT_PREFIX = "AZUREML_EMULATOR_"
LOOPBACK = "127.0.0.1"
# The file name of the certificate of a state folder's authority.
AUTHORITY_FILE = "authority.pem"
_CHECKS_PER_LIMIT = 4
_LONGEST_CHECK_SECONDS = 5.0


class ConnectionLimits(BaseModel):
    """For how many seconds the peer of a connection may stall before it is closed.

    `idle_seconds` is for the time before and between requests, `header_seconds` for all headers of a request,
    `transfer_seconds` for a body of which less than `bytes_per_second` arrives, and for a response of which the peer
    reads nothing. TLS handshakes have the limit of the event loop, a minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    idle_seconds: float = Field(default=75.0, gt=0)
    header_seconds: float = Field(default=30.0, gt=0)
    transfer_seconds: float = Field(default=60.0, gt=0)
    bytes_per_second: float = Field(default=240.0, gt=0)

    @property
    def check_seconds(self) -> float:
        """How often connections are looked at: several times within the shortest limit."""
        shortest = min(self.idle_seconds, self.header_seconds, self.transfer_seconds)
        return min(_LONGEST_CHECK_SECONDS, shortest / _CHECKS_PER_LIMIT)


class FileLimits(BaseModel):
    """How large the files may become that grow while nobody looks, in bytes.

    `log_bytes` is for each log of the emulator, of a deployment and of a job: beyond it, the oldest half is dropped.
    `collected_bytes` is for the data that one deployment collects: beyond it, the oldest files are deleted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    collected_bytes: int = Field(default=2 * 1024 * 1024 * 1024, ge=1024)


class WebLimits(BaseModel):
    """What a job may download from the web as an input.

    `file_bytes` is for one file, `seconds` for its whole download, `stall_seconds` for a server that sends nothing.
    `loopback` allows servers of this machine, by http too: for tests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_bytes: int = Field(default=4 * 1024 * 1024 * 1024, ge=1)
    seconds: float = Field(default=1800.0, gt=0)
    stall_seconds: float = Field(default=30.0, gt=0)
    loopback: bool = False


class Settings(BaseModel):
    """The settings of one emulator.

    `port` 0 is the port used last, else any free one. `strict` requires workspaces and registries to be created.
    `step_launcher` says how steps and servers of deployments are started: forked from a server that has their imports,
    or as fresh processes. `background_start` "lazy" starts MLflow on first use and imports nothing ahead, for emulators
    with a short life. `model_errors` "as_azure" answers 424 for any status of a model other than 200, as managed
    endpoints do; "passed" keeps the status of the model. `endpoint_operations` "one_at_a_time" refuses an operation on
    an endpoint or on one of its deployments while another runs anywhere in the endpoint; "by_resource" only while
    another runs on the same resource. `environments` maps the names of registered environments, or those in
    conda files, to the Python interpreters that their steps run in; steps of any other run in the emulator's.
    `computes` are clusters that every workspace has beside the default one. `connections`, `files` and `web` are
    limits. `images` maps the names of container images to the Dockerfiles that they were built from, or the folders
    of these. `open_container_ports` lets custom containers listen where any local user reaches them, on machines that
    cannot give them a network of their own; `open_spark_ports` lets the engine of Spark steps do so.
    `spark_engine` is the engine of Spark steps; None takes Sail where it is installed, else Spark on Java.
    `open_rank_ports` leaves the processes of distributed steps in the network of this machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Path
    port: int = Field(default=0, ge=0, le=65535)
    strict: bool = False
    step_launcher: Literal["fork", "plain"] = "fork"
    background_start: Literal["eager", "lazy"] = "eager"
    model_errors: Literal["passed", "as_azure"] = "passed"
    endpoint_operations: Literal["by_resource", "one_at_a_time"] = "by_resource"
    parallel_steps: int = Field(default=max(2, os.cpu_count() or 2), ge=1, le=64)
    location: str = Field(default="eastus", pattern=r"^[a-z0-9]+$")
    subscription: str = Field(default="00000000-0000-0000-0000-000000000000", pattern=r"^[0-9a-fA-F-]{36}$")
    resource_group: str = Field(default="emulator", pattern=r"^[a-zA-Z0-9_().-]{1,90}$")
    workspace: str = Field(default="emulator", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}$")
    registry: str = Field(default="emulator", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}$")
    record: Path | None = None
    environments: dict[str, Path] = Field(default_factory=dict)
    computes: tuple[str, ...] = ()
    connections: ConnectionLimits = ConnectionLimits()
    files: FileLimits = FileLimits()
    web: WebLimits = WebLimits()
    images: dict[str, Path] = Field(default_factory=dict)
    open_container_ports: bool = False
    open_spark_ports: bool = False
    spark_engine: Literal["sail", "java"] | None = None
    open_rank_ports: bool = False


def default_state() -> Path:
    """The default state folder: one per user, where the XDG base directories have it."""
    named = os.environ.get(f"{ENVIRONMENT_PREFIX}STATE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "azureml-emulator"


def cloud_name(base_url: str) -> str:
    """The name of the cloud. It differs by address, because clients cache the cloud behind a name."""
    return f"AzureMLEmulator-{base_url.rpartition(':')[2]}"
