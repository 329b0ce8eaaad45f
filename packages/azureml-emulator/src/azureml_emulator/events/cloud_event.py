"""Changes of resources as CloudEvents 1.0, in the service's format. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from azureml_emulator.jobs.job_records import run_type
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, parse_resource_path
from azureml_emulator.kernel.store import Resource

CloudEvent = dict[str, Any]
_COMPLETED: Final = "Completed"
_SUCCEEDED: Final = "Succeeded"
_SPECIFICATION: Final = "1.0"
_REQUIRED: Final = ("id", "source", "type")


def events_of(
    before: Resource | None, after: Resource, identifier: Callable[[], str], now: datetime
) -> list[CloudEvent]:
    """The events for a change of a resource, oldest first; most changes have none, and so have registries.

    `identifier` returns a new id for each event.
    """
    made = {
        "jobs": _of_job,
        "models/versions": _of_model,
        "onlineendpoints/deployments": _of_deployment,
    }.get(after.kind)
    if made is None:
        return []
    path = parse_resource_path(after.id)
    if path.scope.kind != "workspaces":
        return []
    return [
        {
            "specversion": _SPECIFICATION,
            "id": identifier(),
            "source": path.scope.id,
            "subject": subject,
            "type": f"{PROVIDER}.{kind}",
            "time": now.isoformat(),
            "data": data,
        }
        for kind, subject, data in made(before, after, path)
    ]


def read_events(body: Any) -> list[CloudEvent]:
    """The events in a request to publish: an object or a list. Raises BadRequest unless they are CloudEvents 1.0."""
    events = body if isinstance(body, list) else [body]
    for event in events:
        if not isinstance(event, dict) or event.get("specversion") != _SPECIFICATION:
            raise BadRequest("An event is not a CloudEvent of specversion 1.0.", target="specversion")
        missing = [name for name in _REQUIRED if not (isinstance(event.get(name), str) and event[name])]
        if missing:
            raise BadRequest(f"An event has no {', '.join(missing)}.", target=missing[0])
    return events


_Made = list[tuple[str, str, dict[str, Any]]]


def _of_job(before: Resource | None, after: Resource, path: ResourcePath) -> _Made:
    status = after.properties["status"]
    if before is not None and before.properties["status"] == status:
        return []
    properties = after.properties
    experiment = properties.get("experimentName") or "Default"
    subject = f"experiments/{experiment}/runs/{path.name}"
    data = {
        "experimentId": experiment,
        "experimentName": experiment,
        "runId": path.name,
        "runType": run_type(after),
        "runTags": properties.get("tags") or {},
        "runProperties": properties.get("properties") or {},
    }
    changed = ("RunStatusChanged", subject, {**data, "runStatus": status.lower()})
    return [changed, ("RunCompleted", subject, data)] if status == _COMPLETED else [changed]


def _of_model(before: Resource | None, after: Resource, path: ResourcePath) -> _Made:
    if before is not None:
        return []
    data = {
        "ModelName": path.parent.name,
        "ModelVersion": path.name,
        "ModelTags": after.properties.get("tags") or {},
        "ModelProperties": after.properties.get("properties") or {},
    }
    return [("ModelRegistered", f"models/{path.parent.name}:{path.name}", data)]


def _of_deployment(before: Resource | None, after: Resource, path: ResourcePath) -> _Made:
    was_up = before is not None and before.properties.get("provisioningState") == _SUCCEEDED
    if was_up or after.properties.get("provisioningState") != _SUCCEEDED:
        return []
    properties = after.properties
    data = {
        "ServiceName": path.parent.name,
        "ServiceComputeType": properties.get("endpointComputeType") or "Managed",
        "ModelIds": _short(properties.get("model") or ""),
        "ServiceTags": after.document.get("tags") or {},
        "ServiceProperties": {**(properties.get("properties") or {}), "deployment": path.name},
    }
    return [("ModelDeployed", f"endpoints/{path.parent.name}", data)]


def _short(model: str) -> str:
    """`name:version` of a model id; any other reference unchanged."""
    parts = model.removeprefix("azureml:").split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 2 and parts[-2] == "versions" else model
