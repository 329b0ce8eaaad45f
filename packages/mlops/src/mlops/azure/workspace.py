"""The only place that makes a client of a stage's workspace: with the login, and without the SDK's own output.

Importing this file imports azure.ai.ml, which takes seconds: only commands that talk to a workspace do.
"""

from __future__ import annotations

from typing import Any, Final

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._azure_environments import _resource_to_scopes
from azure.ai.ml._utils import _experimental
from azure.ai.ml.entities import AzureBlobDatastore
from azure.core.credentials import TokenCredential
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.mgmt.core import ARMPipelineClient
from azure.storage.blob import ContainerClient

from mlops.azure.cloud import described_cloud, management_address
from mlops.azure.sdk_output import silence_loggers
from mlops.githost.hosts import current_job
from mlops.settings.project import Stage

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
