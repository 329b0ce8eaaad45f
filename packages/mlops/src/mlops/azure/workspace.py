"""The only place that creates clients of a stage's workspace: the cloud, the login, and one client per stage.

Importing this file imports azure.ai.ml, which takes seconds: only commands that talk to a workspace do.
"""

from __future__ import annotations

import os
import re
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
    """A cloud: its name and the addresses of its services, in the SDK's terms."""

    name: str
    places: Mapping[str, str]


def described_cloud() -> Cloud | None:
    """The cloud that the variable points to; None without the variable, or if the SDK would not accept its value.

    Raises WorkspaceError if nothing answers there: the SDK would continue without a cloud and finally report that
    there is no login.
    """
    address = os.environ.get(ArmConstants.METADATA_URL_ENV_NAME)
    return _discover_cloud(address) if address else None


def management_address() -> str:
    """The address of Azure Resource Manager. Raises WorkspaceError as `described_cloud` does."""
    cloud = described_cloud()
    # The SDK has no public way to tell which cloud it uses, and there must be only one answer.
    address = cloud.places[EndpointURLS.RESOURCE_MANAGER_ENDPOINT] if cloud else _get_base_url_from_metadata()
    return address.rstrip("/")


@cache
def _discover_cloud(address: str) -> Cloud | None:
    _require_answer(address)
    for name, places in _get_clouds_by_metadata_url(address).items():
        if places[EndpointURLS.RESOURCE_MANAGER_ENDPOINT] in address:
            return Cloud(name, places)
    return None


def _require_answer(address: str) -> None:
    try:
        requests.get(address, timeout=_ANSWER_WITHIN_SECONDS).close()
    except requests.exceptions.SSLError:
        # Something answers; the SDK reports what is wrong with the certificate.
        return
    except requests.exceptions.RequestException as error:
        host = "/".join(address.split("/", 3)[:3])
        raise WorkspaceError(
            f"nothing answers at {host}, the cloud that {ArmConstants.METADATA_URL_ENV_NAME} points to",
            'Start a workspace on this machine with `mlops up`, then `eval "$(mlops env)"`; for Azure unset the '
            "variable in this shell.",
        ) from error


_EVENTS_SCOPE: Final = "https://eventgrid.azure.net/.default"


def _skip_experimental_warning() -> bool:
    return True


# For every object that it considers experimental, such as a data collector, the SDK reads the source of every frame of
# the stack to decide whether to warn, which takes a quarter of a second. Its warnings are not shown anyway.
vars(_experimental)["_should_skip_warning"] = _skip_experimental_warning


def connect(stage: Stage) -> MLClient:
    """A client of the stage's workspace; does not contact the service yet."""
    return _client(stage.subscription_id, stage.resource_group, stage.workspace)


def connect_registry(name: str) -> MLClient:
    """A client of the registry, where the stages share models; looks up its address."""
    return _client(registry_name=name)


def connect_management() -> ARMPipelineClient:
    """A client of Azure Resource Manager itself, for what azure-ai-ml does not cover: metrics."""
    address = management_address()
    login = BearerTokenCredentialPolicy(_credential(), *_resource_to_scopes(address))
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=1), login])


def connect_events(address: str) -> ARMPipelineClient:
    """A client of an Event Grid topic's endpoint."""
    login = BearerTokenCredentialPolicy(_credential(), _EVENTS_SCOPE)
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=2), login])


def open_container(datastore: AzureBlobDatastore) -> ContainerClient:
    """The container of a datastore, opened with the current login: the stages' storage accounts have no keys.

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
        # The SDK creates a dozen service clients: with one session they share their connections.
        transport=RequestsTransport(session=requests.Session(), session_owner=False),
    )
    # Again: creating a client sets its own log levels.
    silence_loggers()
    return client


def _credential() -> TokenCredential:
    """The CI job's own login; else environment variables, workload identity, managed identity, `az login`, in order.

    The rest of the default chain only costs time: nobody trains from an editor's or a shell's token cache.
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
        """The workspace that all models come from."""
        return self.stage(self.project.order.training)

    @property
    def registry(self) -> MLClient:
        """The registry that the stages share."""
        with self._lock:
            if self._registry is None:
                self._registry = connect_registry(self.project.settings.registry)
            return self._registry

    def models(self, stage: StageName) -> MLClient:
        """Where a stage gets its models from: the registry, or its own workspace if it trains them."""
        return self.training if stage == self.project.order.training else self.registry


_PATH: Final = re.compile(r"azureml://.*?datastores/(?P<datastore>[^/]+)/paths/(?P<name>.+?)/?")


@dataclass(frozen=True)
class BlobAddress:
    """A file or folder in the container of a datastore."""

    container: ContainerClient
    name: str
    datastore: str


def parse_datastore_path(client: MLClient, path: str) -> BlobAddress | None:
    """The address of a path; None if it is not in a blob datastore."""
    found = _PATH.fullmatch(path)
    datastore = client.datastores.get(found["datastore"]) if found else None
    if found is None or not isinstance(datastore, AzureBlobDatastore):
        return None
    return BlobAddress(open_container(datastore), found["name"], found["datastore"])
