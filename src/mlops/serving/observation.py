"""Looks at a stage's endpoint through the SDK; changes nothing, decides nothing."""

from __future__ import annotations

from azure.ai.ml import MLClient
from azure.ai.ml.entities import OnlineDeployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.serving.deployment_files import CONFIGURATION_TAG, DIGEST_TAG, VERSION_TAG
from mlops.serving.rollout_view import Deployment, View
from mlops.serving.scoring_call import Address


def observe(client: MLClient, endpoint_name: str) -> View:
    """The endpoint and its deployments as they are now."""
    try:
        endpoint = client.online_endpoints.get(endpoint_name)
    except ResourceNotFoundError:
        return View(endpoint_exists=False)
    traffic = {name: int(percent) for name, percent in (endpoint.traffic or {}).items()}
    deployments = client.online_deployments.list(endpoint_name)
    return View(
        endpoint_exists=True,
        endpoint_state=endpoint.provisioning_state or "",
        scoring_uri=endpoint.scoring_uri or "",
        deployments=tuple(_deployment(deployment, traffic) for deployment in deployments),
    )


def address_of(client: MLClient, endpoint_name: str, scoring_uri: str) -> Address:
    """The endpoint's address with its present key."""
    keys = client.online_endpoints.get_keys(endpoint_name)
    return Address(scoring_uri, getattr(keys, "primary_key", None) or getattr(keys, "access_token", ""))


def _deployment(deployment: OnlineDeployment, traffic: dict[str, int]) -> Deployment:
    tags = deployment.tags or {}
    return Deployment(
        name=str(deployment.name),
        state=deployment.provisioning_state or "",
        traffic=traffic.get(str(deployment.name), 0),
        model_version=tags.get(VERSION_TAG, ""),
        digest=tags.get(DIGEST_TAG, ""),
        configuration=tags.get(CONFIGURATION_TAG, ""),
    )
