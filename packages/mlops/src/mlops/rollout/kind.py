"""Whether a stage's endpoint is of the kind that project.yml says: an endpoint never changes it."""

from __future__ import annotations

from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesOnlineEndpoint, OnlineEndpoint
from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import RolloutFailed
from mlops.project import KUBERNETES, MANAGED, Stage, StageName


def require_kind(client: MLClient, name: StageName, stage: Stage) -> None:
    """Raise RolloutFailed when the endpoint stands elsewhere than where the stage wants it; none yet is fine."""
    try:
        endpoint = client.online_endpoints.get(stage.endpoint)
    except ResourceNotFoundError:
        return
    found, wanted = _where(endpoint), (stage.kubernetes_compute or "").lower()
    if found.lower() != wanted:
        raise RolloutFailed(
            f"endpoint {stage.endpoint} is {_words(found)}, but project.yml says that {name} is {_words(wanted)}",
            f"Nothing was changed. An endpoint stays where it was made: give {name} another `endpoint` in project.yml, "
            "move its callers, and delete the old one.",
        )


def _where(endpoint: OnlineEndpoint) -> str:
    """The name of the compute that an endpoint is on; "" for a managed one."""
    compute = endpoint.compute if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
    return (compute or "").rpartition("/")[2]


def _words(compute: str) -> str:
    return f"served by {KUBERNETES} ({compute})" if compute else f"served by {MANAGED} machines"
