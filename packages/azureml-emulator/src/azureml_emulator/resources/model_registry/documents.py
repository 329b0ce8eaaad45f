"""Models as MLflow's registry answers them: registered models and model versions. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from azureml_emulator.kernel.store import Resource

# Internal fields: the aliases of a container with their versions, and what MLflow said of a version.
ALIASES = "aliases"
REGISTERED = "mlflow"
NO_STAGE = "None"
STAGES = (NO_STAGE, "Staging", "Production", "Archived")


def registered_model(container: Resource, versions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A registered model. `versions` are its versions, oldest first; of each stage the newest is shown."""
    newest = {version["current_stage"]: version for version in versions}
    known = {version["version"] for version in versions}
    aliases = container.internal.get(ALIASES, {})
    return {
        "name": container.name,
        **_timestamps(container),
        "description": container.properties.get("description") or "",
        "latest_versions": list(newest.values()),
        "tags": _tags(container),
        "aliases": [{"alias": alias, "version": version} for alias, version in aliases.items() if version in known],
    }


def model_version(container: Resource, version: Resource, run_of_job: Callable[[str], str]) -> dict[str, Any]:
    """A model version; `run_of_job` gives the MLflow run of a job."""
    properties, given = version.properties, version.internal.get(REGISTERED, {})
    job = properties.get("jobName")
    return {
        "name": container.name,
        "version": version.name,
        **_timestamps(version),
        "current_stage": stage_of(version),
        "description": properties.get("description") or "",
        "source": given.get("source") or properties["modelUri"],
        "run_id": given.get("run_id") or (run_of_job(job) if job else ""),
        "run_link": given.get("run_link") or "",
        "status": "READY",
        "tags": _tags(version),
        "aliases": aliases_of(container, version.name),
        **({"model_id": given["model_id"]} if given.get("model_id") else {}),
    }


def aliases_of(container: Resource, version: str) -> list[str]:
    """The aliases of a version."""
    return [alias for alias, named in container.internal.get(ALIASES, {}).items() if named == version]


def stage_of(version: Resource) -> str:
    """The stage of a version, as MLflow writes it."""
    return version.properties.get("stage") or NO_STAGE


def _tags(resource: Resource) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in (resource.properties.get("tags") or {}).items()]


def _timestamps(resource: Resource) -> dict[str, int]:
    data = resource.document["systemData"]
    names = {"creation_timestamp": "createdAt", "last_updated_timestamp": "lastModifiedAt"}
    return {name: int(datetime.fromisoformat(data[key]).timestamp() * 1000) for name, key in names.items()}
