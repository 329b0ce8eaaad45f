"""What of a registered version may change: description, tags and the archived flag, never its content. Pure: no I/O.

The sentences and statuses are Azure's; clients recognise some of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from azureml_emulator.kernel.errors import BadRequest, Conflict, EmulatorError
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.store import Resource

_COMPONENT = "componentSpec"
# Of a component's specification, what describes it. An anonymous component has a hash of the rest as its version.
_DESCRIBING = frozenset(
    {"$schema", "_source", "id", "name", "version", "display_name", "description", "tags", "creation_context"}
)
# What its author may change.
DESCRIBING = ("name", "display_name", "description", "tags")
# What the absence of a field of an input means.
_ABSENT = {"optional": "False"}
_SINGULAR = {"codes": "code", "components": "component", "environments": "environment", "models": "model"}


def refuse_changed_content(kind: Kind, existing: Resource | None, body: Mapping[str, Any]) -> None:
    """Raise the error of the service when a PUT would change the content of an existing version."""
    if existing is None:
        return
    sent = body.get("properties", {})
    for name in kind.content:
        for changed in _changed(name, existing.properties.get(name), sent.get(name)):
            raise changed_content(kind, existing, changed)


def changed_content(kind: Kind, existing: Resource, field: str) -> EmulatorError:
    """The service's error for a field that differs from that of the existing version."""
    container = kind.path.partition("/")[0]
    name, version = existing.id.split("/")[-3], existing.name
    if container == "environments":
        # The SDK takes the next version of an environment by itself when it gets this status.
        message = f"Environment {name} with version {version} is already registered and cannot be changed."
        return Conflict(f"{message} Its {field} differs: specify a new version.", code="UserError", target=field)
    asset = _SINGULAR.get(container, container)
    if field.endswith("Uri"):
        message = f"Asset paths cannot be updated. The {asset} {name}:{version} is immutable and has other content"
        return BadRequest(f"{message}: try specifying a new version.", code="UserError", target=field)
    message = f'Failed to update {asset} {name} since field "{field}" is immutable, try specifying a new version.'
    return BadRequest(message, code="UserError", target=field)


def with_kept_content(existing: Resource | None, body: dict[str, Any]) -> dict[str, Any]:
    """The body for an anonymous component that exists: only its name and what else describes it may be others."""
    properties = body.get("properties", {})
    if existing is None or _COMPONENT not in properties or not existing.properties.get("isAnonymous"):
        return body
    sent = properties[_COMPONENT]
    described = {name: sent[name] for name in DESCRIBING if name in sent}
    return {**body, "properties": {**properties, _COMPONENT: {**existing.properties[_COMPONENT], **described}}}


def means_the_same(before: Any, after: Any, absent: str = "None") -> bool:
    """Whether two values mean the same: the service keeps scalars as texts. `absent` is what None stands for."""
    if isinstance(before, dict) or isinstance(after, dict):
        first, second = before or {}, after or {}
        if not isinstance(first, dict) or not isinstance(second, dict):
            return False
        keys = first.keys() | second.keys()
        return all(means_the_same(first.get(key), second.get(key), _ABSENT.get(key, "None")) for key in keys)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(means_the_same, before, after))
    first, second = (absent if value is None else str(value) for value in (before, after))
    return first == second


def _changed(name: str, before: Any, after: Any) -> Iterator[str]:
    if name == _COMPONENT and isinstance(before, dict) and isinstance(after, dict):
        fields = sorted((before.keys() | after.keys()) - _DESCRIBING)
        yield from (field for field in fields if not means_the_same(before.get(field), after.get(field)))
    elif not means_the_same(before, after):
        yield name
