"""Where a stage's endpoint is and the key that opens it, asked of the workspace."""

from __future__ import annotations

from azure.ai.ml import MLClient

from mlops.ci.system import mask
from mlops.serving.scoring_call import Address


def address_of(client: MLClient, endpoint_name: str, scoring_uri: str) -> Address:
    """The endpoint's address with its present key."""
    keys = client.online_endpoints.get_keys(endpoint_name)
    key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", "")
    mask(key)
    return Address(scoring_uri, key)
