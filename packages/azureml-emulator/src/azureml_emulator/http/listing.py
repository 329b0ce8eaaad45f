"""Lists: order, filters and pages, by the query parameters of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.store import Resource

_PAGE_SIZE = 200


def page(
    request: Request, resources: list[Resource], present: Callable[[Resource], dict[str, Any]], base_url: str
) -> dict[str, Any]:
    """One page as {"value": […], "nextLink"?}, by the query's $top, $skip, $orderBy and filters."""
    query = request.query_params
    found = [resource for resource in resources if _listed(resource, request)]
    if "desc" in query.get("$orderBy", query.get("orderBy", "")).lower():
        found.reverse()
    elif "$orderBy" not in query:
        # Azure answers the newest first by default.
        found.reverse()
    start = _number(query.get("$skip", query.get("skip", "0")), "$skip")
    limit = _number(query.get("$top", query.get("top", str(_PAGE_SIZE))), "$top")
    shown = found[start : start + min(limit, _PAGE_SIZE)]
    answer: dict[str, Any] = {"value": [present(resource) for resource in shown]}
    after = start + len(shown)
    if after < len(found) and "$top" not in query:
        following = urlencode({**dict(query), "$skip": str(after)})
        answer["nextLink"] = f"{base_url}{request.url.path}?{following}"
    return answer


def _listed(resource: Resource, request: Request) -> bool:
    view = request.query_params.get("listViewType", "ActiveOnly")
    archived = bool(resource.properties.get("isArchived"))
    if (view == "ActiveOnly" and archived) or (view == "ArchivedOnly" and not archived):
        return False
    enabled = bool(resource.properties.get("isEnabled"))
    if (view == "EnabledOnly" and not enabled) or (view == "DisabledOnly" and enabled):
        return False
    content_hash = request.query_params.get("hash")
    if content_hash is not None:
        return resource.properties.get("properties", {}).get("hash_sha256") == content_hash
    category = request.query_params.get("category")
    if category is not None and str(resource.properties.get("category")).lower() != category.lower():
        return False
    default = request.query_params.get("isDefault")
    return default is None or bool(resource.properties.get("isDefault")) == (default.lower() == "true")


def _number(text: str, name: str) -> int:
    if not text.isdigit():
        raise BadRequest(f"{name} must be a non-negative integer, not '{text}'.", target=name)
    return int(text)
