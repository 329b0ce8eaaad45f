"""The only place that makes clients of a stage's workspace: the cloud, the login, and one client per stage.

Importing this file imports azure.ai.ml, which takes seconds: only commands that talk to a workspace do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, Final

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._azure_environments import (
    EndpointURLS,
    _get_base_url_from_metadata,
    _get_clouds_by_metadata_url,
    _resource_to_scopes,
)
from azure.ai.ml._utils import _experimental
from azure.ai.ml.constants._common import ArmConstants
from azure.ai.ml.entities import AzureBlobDatastore
from azure.core.credentials import TokenCredential
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.mgmt.core import ARMPipelineClient
from azure.storage.blob import ContainerClient

from mlops.azure.sdk_output import silence_loggers
from mlops.core.errors import WorkspaceError
from mlops.githost.hosts import current_job
from mlops.settings.project import Project, Stage
from mlops.settings.stages import StageName

_ANSWER_WITHIN_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Cloud:
    """A cloud: its name, and where its services are, in the SDK's own words."""

    name: str
    places: Mapping[str, str]


def described_cloud() -> Cloud | None:
    """The cloud that the variable leads to; None where there is no variable, or nothing the SDK would take.

    Raises WorkspaceError when nothing answers there: the SDK would go on without a cloud and end by saying that
    nobody is logged in.
    """
    address = os.environ.get(ArmConstants.METADATA_URL_ENV_NAME)
    return _ask(address) if address else None


def management_address() -> str:
    """Where Azure's resource manager is. Raises WorkspaceError as `described_cloud` does."""
    cloud = described_cloud()
    # The SDK tells nobody publicly which cloud it talks to, and there must be one answer to that.
    address = cloud.places[EndpointURLS.RESOURCE_MANAGER_ENDPOINT] if cloud else _get_base_url_from_metadata()
    return address.rstrip("/")


@cache
def _ask(address: str) -> Cloud | None:
    _require_answer(address)
    for name, places in _get_clouds_by_metadata_url(address).items():
        if places[EndpointURLS.RESOURCE_MANAGER_ENDPOINT] in address:
            return Cloud(name, places)
    return None


def _require_answer(address: str) -> None:
    try:
        requests.get(address, timeout=_ANSWER_WITHIN_SECONDS).close()
    except requests.exceptions.SSLError:
        # Somebody is there; what is wrong with the certificate the SDK tells.
        return
    except requests.exceptions.RequestException as error:
        host = "/".join(address.split("/", 3)[:3])
        raise WorkspaceError(
            f"nothing answers at {host}, where {ArmConstants.METADATA_URL_ENV_NAME} says that the cloud is",
            'Start a workspace on this machine with `mlops up`, then `eval "$(mlops env)"`; for Azure unset the '
            "variable in this shell.",
        ) from error


_EVENTS_SCOPE: Final = "https://eventgrid.azure.net/.default"


def _never_warn() -> bool:
    return True


# For each object that it counts as experimental, such as a data collector, the SDK reads the source of every frame of
# the stack to find out whether to warn, a quarter of a second each time. Its warnings are not shown anyway.
vars(_experimental)["_should_skip_warning"] = _never_warn


def connect(stage: Stage) -> MLClient:
    """A client of the stage's workspace; asks nothing of the service yet."""
    return _client(stage.subscription_id, stage.resource_group, stage.workspace)


def connect_registry(name: str) -> MLClient:
    """A client of the registry, where models are shared between the stages; asks where it is."""
    return _client(registry_name=name)


def connect_management() -> ARMPipelineClient:
    """A client of Azure's management address itself, for what azure-ai-ml does not ask: metrics."""
    address = management_address()
    login = BearerTokenCredentialPolicy(_credential(), *_resource_to_scopes(address))
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=1), login])


def connect_events(address: str) -> ARMPipelineClient:
    """A client of the place where an Event Grid topic takes events."""
    login = BearerTokenCredentialPolicy(_credential(), _EVENTS_SCOPE)
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=2), login])


def open_container(datastore: AzureBlobDatastore) -> ContainerClient:
    """The container of a datastore, opened with the login in use: accounts of stages have no keys.

    Needs the role Storage Blob Data Reader there.
    """
    address = f"{datastore.protocol}://{datastore.account_name}.blob.{datastore.endpoint}"
    return ContainerClient(address, datastore.container_name, credential=_credential())


def _client(*workspace: str, **registry: str) -> MLClient:
    cloud = described_cloud()
    described: dict[str, Any] = {"cloud": cloud.name, "cloud_metadata": dict(cloud.places)} if cloud else {}
    client = MLClient(
        _credential(),
        *workspace,
        **registry,
        **described,
        show_progress=False,
        enable_telemetry=False,
        # The SDK makes a dozen service clients: with one session they share their connections.
        transport=RequestsTransport(session=requests.Session(), session_owner=False),
    )
    # Once more: making a client sets levels of its own.
    silence_loggers()
    return client


def _credential() -> TokenCredential:
    """The CI job's own login; else environment variables, workload identity, managed identity, `az login`, in order.

    The others of the chain only cost time: nobody trains from an editor's or a shell's token cache.
    """
    return current_job().credential() or DefaultAzureCredential(
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_powershell_credential=True,
        exclude_developer_cli_credential=True,
        exclude_broker_credential=True,
    )


class WorkspaceClients:
    """The clients of one project. Safe to use from several threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._stages: dict[StageName, MLClient] = {}
        self._registry: MLClient | None = None
        self._lock = Lock()

    def stage(self, name: StageName) -> MLClient:
        """A stage's workspace."""
        with self._lock:
            if name not in self._stages:
                self._stages[name] = connect(self.project.settings.stage(name))
            return self._stages[name]

    @property
    def training(self) -> MLClient:
        """The workspace that every model comes from."""
        return self.stage(self.project.order.training)

    @property
    def registry(self) -> MLClient:
        """The registry that the stages share."""
        with self._lock:
            if self._registry is None:
                self._registry = connect_registry(self.project.settings.registry)
            return self._registry

    def models(self, stage: StageName) -> MLClient:
        """Where a stage takes its models from: the registry, or where it trains them itself."""
        return self.training if stage == self.project.order.training else self.registry
