"""Looks at a stage's endpoint through the SDK, in two calls; changes nothing, decides nothing."""

from __future__ import annotations

from azure.ai.ml import MLClient
from azure.ai.ml.entities import OnlineDeployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.endpoint.view import ATTEMPT_TAG, CONFIGURATION_TAG, DIGEST_TAG, VERSION_TAG, Deployment, View


def observe(client: MLClient, endpoint_name: str) -> View:
    """The endpoint and its deployments as they are now."""
    try:
        endpoint = client.online_endpoints.get(endpoint_name)
        deployments = list(client.online_deployments.list(endpoint_name))
    except ResourceNotFoundError:
        return View(exists=False)
    return View(
        deployments={str(one.name): _deployment(one) for one in deployments},
        traffic={name: int(share) for name, share in (endpoint.traffic or {}).items()},
        mirror={name: int(share) for name, share in (endpoint.mirror_traffic or {}).items()},
        tags=dict(endpoint.tags or {}),
        state=str(getattr(endpoint.provisioning_state, "value", endpoint.provisioning_state) or ""),
        scoring_uri=endpoint.scoring_uri or "",
        identifier=endpoint.id or "",
    )


def _deployment(deployment: OnlineDeployment) -> Deployment:
    tags = deployment.tags or {}
    variables = deployment.environment_variables or {}
    return Deployment(
        name=str(deployment.name),
        # The SDK gives an enum whose text in a sentence is not its value.
        state=str(getattr(deployment.provisioning_state, "value", deployment.provisioning_state) or ""),
        model_version=tags.get(VERSION_TAG) or variables.get("MODEL_VERSION", ""),
        digest=tags.get(DIGEST_TAG) or variables.get("MODEL_DIGEST", ""),
        configuration=tags.get(CONFIGURATION_TAG, ""),
        attempt=tags.get(ATTEMPT_TAG, ""),
    )
