"""The only place that makes a client of a stage's workspace: the login, and no chatter of the SDK.

Importing this file imports azure.ai.ml, which takes seconds: only commands that talk to a workspace do.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._azure_environments import _get_base_url_from_metadata, _resource_to_scopes
from azure.ai.ml.constants._common import ArmConstants
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.mgmt.core import ARMPipelineClient

from mlops.errors import WorkspaceError
from mlops.project import Stage
from mlops.quiet import quieten_loggers

_ANSWER_WITHIN_SECONDS: Final = 10.0


def connect(stage: Stage) -> MLClient:
    """A client of the stage's workspace; asks nothing of the service yet."""
    return _client(stage.subscription_id, stage.resource_group, stage.workspace)


def connect_registry(name: str) -> MLClient:
    """A client of the registry, where models are shared between the stages; asks where it is."""
    return _client(registry_name=name)


def connect_management() -> ARMPipelineClient:
    """A client of Azure's management address itself, for what azure-ai-ml does not ask: metrics."""
    _require_cloud()
    # The SDK tells nobody publicly which cloud it talks to, and there must be one answer to that.
    address = _get_base_url_from_metadata()
    login = BearerTokenCredentialPolicy(_credential(), *_resource_to_scopes(address))
    return ARMPipelineClient(base_url=address, policies=[RequestIdPolicy(), RetryPolicy(retry_total=1), login])


def _client(*workspace: str, **registry: str) -> MLClient:
    _require_cloud()
    client = MLClient(
        _credential(),
        *workspace,
        **registry,
        show_progress=False,
        enable_telemetry=False,
        # The SDK makes a dozen service clients: with one session they share their connections.
        transport=RequestsTransport(session=requests.Session(), session_owner=False),
    )
    # Once more: making a client sets levels of its own.
    quieten_loggers()
    return client


def _require_cloud() -> None:
    """Raise WorkspaceError when nothing is where a variable says that the cloud describes itself.

    The SDK would go on without a cloud and end by saying that nobody is logged in.
    """
    address = os.environ.get(ArmConstants.METADATA_URL_ENV_NAME)
    if address:
        _require_answer(address)


@cache
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
