"""Connections to other services, kept as documents: nothing connects. Secrets are answered to `listSecrets` only."""

from __future__ import annotations

from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath
from azureml_emulator.kernel.store import Resource

_REQUIRED = ("category", "authType")
_SECRETS = "credentials"


class Connections(Behaviour):
    """The behaviour of connections."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a connection. Raises BadRequest for one without a category or a type of credentials."""
        properties = body.get("properties", {})
        for name in _REQUIRED:
            if not isinstance(properties.get(name), str) or not properties[name]:
                raise BadRequest(f"A connection needs '{name}', a string.", code="UserError", target=name)
        kept = {"metadata": {}, **properties, _SECRETS: None}
        stored = self.put_now(kind, path, {**body, "properties": kept})
        if stored.resource is None:
            return stored
        # As recorded, the service does not tell a new connection from a changed one.
        return Stored(self.store.put(stored.resource.with_internal(**{_SECRETS: properties.get(_SECRETS)})))

    def actions(self) -> dict[str, Action]:
        """POST listSecrets."""
        return {"listsecrets": self._with_secrets}

    async def _with_secrets(self, resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        return resource.with_properties(**{_SECRETS: resource.internal.get(_SECRETS)}).document
