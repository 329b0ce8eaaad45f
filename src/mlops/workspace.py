"""The only place that makes a client of a stage's workspace: the login, and no chatter of the SDK.

Importing this file imports azure.ai.ml, which takes seconds: only commands that talk to a workspace do.
"""

from __future__ import annotations

import logging
import warnings

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._azure_environments import _get_base_url_from_metadata, _resource_to_scopes
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.mgmt.core import ARMPipelineClient

from mlops.project import Stage

_CHATTY_LOGGERS = (
    "azure",
    "azure.ai.ml",
    "azure.ai.ml._telemetry",
    "azure.ai.ml._utils._experimental",
    "azure.identity",
    "msrest",
    "urllib3",
)


def connect(stage: Stage) -> MLClient:
    """A client of the stage's workspace; asks nothing of the service yet."""
    return _client(stage.subscription_id, stage.resource_group, stage.workspace)


def connect_registry(name: str) -> MLClient:
    """A client of the registry, where models are shared between the stages; asks where it is."""
    return _client(registry_name=name)


def connect_management() -> ARMPipelineClient:
    """A client of Azure's management address itself, for what azure-ai-ml does not ask: metrics."""
    # The SDK tells nobody publicly which cloud it talks to, and there must be one answer to that.
    address = _get_base_url_from_metadata()
    login = BearerTokenCredentialPolicy(_credential(), *_resource_to_scopes(address))
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=1), login])


def _client(*workspace: str, **registry: str) -> MLClient:
    client = MLClient(
        _credential(),
        *workspace,
        **registry,
        show_progress=False,
        enable_telemetry=False,
        # The SDK makes a dozen service clients: with one session they share their connections.
        transport=RequestsTransport(session=requests.Session(), session_owner=False),
    )
    # Afterwards: making a client sets levels of its own.
    _quieten()
    return client


def _credential() -> DefaultAzureCredential:
    """Environment variables, workload identity (OIDC), managed identity, `az login`, in this order.

    The others of the chain only cost time: nobody trains from an editor's or a shell's token cache.
    """
    return DefaultAzureCredential(
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_powershell_credential=True,
        exclude_developer_cli_credential=True,
        exclude_broker_credential=True,
    )


def _quieten() -> None:
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(azure|msrest|marshmallow)(\.|$)")
