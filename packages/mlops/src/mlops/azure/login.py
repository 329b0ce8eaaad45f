"""The login of a CI job itself, renewed for as long as the job runs.

What `az login` leaves behind lasts an hour and cannot be renewed: its proof of who asks is minutes old by then. Here
the system is asked for a new proof each time. Imports Azure's identity library only where there is such a login.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import requests

from mlops.core.errors import WorkspaceError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_AUDIENCE: Final = "api://AzureADTokenExchange"
_TIMEOUT_SECONDS: Final = 30.0
_GITHUB_ADDRESS: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"
_GITHUB_TOKEN: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable
_GITHUB: Final = (_GITHUB_ADDRESS, _GITHUB_TOKEN, "AZURE_TENANT_ID", "AZURE_CLIENT_ID")
# What the task AzureCLI sets of its service connection, and the token that a step has to be given.
_AZURE: Final = (
    "SYSTEM_OIDCREQUESTURI",
    "AZURESUBSCRIPTION_TENANT_ID",
    "AZURESUBSCRIPTION_CLIENT_ID",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "SYSTEM_ACCESSTOKEN",
)


def job_credential(environment: Mapping[str, str] = os.environ) -> TokenCredential | None:
    """The login of the job that runs us; None outside of one, or in one that may not ask for a proof."""
    if all(environment.get(name) for name in _GITHUB):
        from azure.identity import ClientAssertionCredential

        *_, tenant, client = (environment[name] for name in _GITHUB)
        return ClientAssertionCredential(tenant, client, lambda: github_proof(environment))
    if all(environment.get(name) for name in _AZURE):
        from azure.identity import AzurePipelinesCredential

        _, tenant, client, connection, token = (environment[name] for name in _AZURE)
        return AzurePipelinesCredential(
            tenant_id=tenant, client_id=client, service_connection_id=connection, system_access_token=token
        )
    return None


def github_proof(environment: Mapping[str, str]) -> str:
    """A token of GitHub's that says which repository and environment this job belongs to.

    Raises WorkspaceError when GitHub does not give one.
    """
    address = f"{environment[_GITHUB_ADDRESS]}&audience={_AUDIENCE}"
    header = {"Authorization": f"Bearer {environment[_GITHUB_TOKEN]}"}
    advice = "The job needs `permissions: id-token: write`; then run it again."
    try:
        response = requests.get(address, headers=header, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        return str(response.json()["value"])
    except (requests.exceptions.RequestException, ValueError, KeyError) as error:
        raise WorkspaceError(f"GitHub gives this job no token: {type(error).__name__}", advice) from error
