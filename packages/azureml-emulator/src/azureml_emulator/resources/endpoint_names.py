"""Names of endpoints, which are unique within a region, across workspaces."""

from __future__ import annotations

from azureml_emulator.kernel.errors import Conflict
from azureml_emulator.kernel.resource_id import ResourcePath
from azureml_emulator.kernel.store import Store


def refuse_taken_name(store: Store, kind: str, path: ResourcePath, location: str | None, called: str) -> None:
    """Raise Conflict when another endpoint of the kind has the name in the region. `called` is for the message."""
    for other in store.of_kind(kind):
        same_region = other.document.get("location") == location
        if other.key != path.key and same_region and other.name.lower() == path.name.lower():
            raise Conflict(
                f"There is already {called} with the name '{path.name}' in the region '{location}' "
                f"({other.id}). The name of an endpoint must be unique within a region.",
                code="EndpointAlreadyExists",
                target="name",
            )
