"""What an emulator has, in a few words for `status`: reads the store, changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from azureml_emulator.store import Store

_UNKNOWN = "Unknown"


def summary(store: Store, base_url: str) -> dict[str, Any]:
    """Workspaces and registries by name, jobs by state, deployments with theirs, and MLflow's address."""
    jobs = Counter(job.properties.get("status", _UNKNOWN) for job in store.of_kind("jobs"))
    deployments = store.of_kind("onlineendpoints/deployments")
    states = {_name(each.id): each.properties.get("provisioningState", _UNKNOWN) for each in deployments}
    return {
        "mlflow": (store.record("address", "mlflow") or {}).get("url"),
        "workspaces": [workspace.name for workspace in store.of_kind("workspaces")],
        "registries": [registry.name for registry in store.of_kind("registries")],
        "jobs": dict(sorted(jobs.items())),
        "deployments": states,
    } | {"address": base_url}


def _name(identifier: str) -> str:
    """`endpoint/deployment` of a deployment's id."""
    parts = identifier.split("/")
    return f"{parts[-3]}/{parts[-1]}"
