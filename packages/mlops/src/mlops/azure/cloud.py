"""Which cloud a program talks to, where a variable says that it describes itself: asked once, not for every client.

The SDK asks for the description anew for nearly every call. It takes one that is given to a client; what to do with
that is for workspace.py. Azure's public cloud needs none: the SDK knows it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import requests
from azure.ai.ml._azure_environments import EndpointURLS, _get_base_url_from_metadata, _get_clouds_by_metadata_url
from azure.ai.ml.constants._common import ArmConstants

from mlops.core.errors import WorkspaceError

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
