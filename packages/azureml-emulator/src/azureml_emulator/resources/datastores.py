"""Blob datastores: named containers of the workspace's storage account, and signatures for them.

Other datastores are documents.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, Conflict, NotModelled
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.scopes import DEFAULT_DATASTORE
from azureml_emulator.storage.storage_access import StorageAccess

_MODELLED = "AzureBlob"
# Types that are kept as documents, which no job can read, and what each needs.
_DOCUMENTS = {
    "AzureFile": ("accountName", "fileShareName"),
    "AzureDataLakeGen1": ("storeName",),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "OneLake": ("artifact", "oneLakeWorkspaceName"),
}
_SECRETS = "secrets"
_DEFAULT_HOURS = 24
_MAX_HOURS = 24 * 365


class Datastores(Behaviour):
    """Blob datastores. All of them are in the emulator's own storage, whatever account they name."""

    def __init__(self, store: Store, clock: Clock, access: StorageAccess) -> None:
        super().__init__(store, clock)
        self._access = access

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a blob datastore without its secrets, since the emulator's storage has its own.

        Others are stored as documents.
        """
        properties = body.get("properties", {})
        if properties.get("datastoreType") in _DOCUMENTS:
            return self._put_document(kind, path, body)
        if properties.get("datastoreType") != _MODELLED:
            known = ", ".join((_MODELLED, *_DOCUMENTS))
            raise NotModelled(
                f"The emulator models datastores of the types {known}, not '{properties.get('datastoreType')}'."
            )
        for name in ("accountName", "containerName"):
            if not isinstance(properties.get(name), str) or not properties[name]:
                raise BadRequest(f"A blob datastore needs '{name}', a string.", code="UserError", target=name)
        credentials = properties.get("credentials") or {"credentialsType": "None"}
        if not isinstance(credentials, dict):
            raise BadRequest("'credentials' must be an object.", code="UserError", target="credentials")
        credentials = {**credentials}
        credentials.pop("secrets", None)
        kept = {"isDefault": False, "endpoint": "core.windows.net", "protocol": "https", **properties}
        kept |= {"credentials": credentials, "accountName": _plain_account(properties["accountName"])}
        return self.put_now(kind, path, {**body, "properties": kept})

    def _put_document(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        properties = body["properties"]
        for name in _DOCUMENTS[properties["datastoreType"]]:
            if not properties.get(name):
                message = f"A datastore of the type {properties['datastoreType']} needs '{name}'."
                raise BadRequest(message, code="UserError", target=name)
        credentials = properties.get("credentials") or {"credentialsType": "None"}
        if not isinstance(credentials, dict):
            raise BadRequest("'credentials' must be an object.", code="UserError", target="credentials")
        shown = {name: value for name, value in credentials.items() if name != _SECRETS}
        kept = {"isDefault": False, **properties, "credentials": shown}
        stored = self.put_now(kind, path, {**body, "properties": kept})
        if stored.resource is None:
            return stored
        secrets = credentials.get(_SECRETS)
        return Stored(self.store.put(stored.resource.with_internal(**{_SECRETS: secrets})), stored.created)

    async def delete(self, resource: Resource) -> Stored:
        """Delete the datastore but not its data, as on Azure. Raises Conflict for the default datastore."""
        if resource.name == DEFAULT_DATASTORE:
            raise Conflict(f"'{resource.name}' is the workspace's default datastore.", code="UserError")
        return await super().delete(resource)

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document; the account name of a blob datastore points clients at the emulator."""
        if resource.properties["datastoreType"] != _MODELLED:
            return resource.document
        account = parse_resource_path(resource.id).scope.storage_account
        return resource.with_properties(accountName=self._access.account_name(account)).document

    def actions(self) -> dict[str, Action]:
        """POST listSecrets."""
        return {"listsecrets": self._list_secrets}

    async def _list_secrets(self, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
        if resource.properties["datastoreType"] != _MODELLED:
            kind = resource.properties["credentials"].get("credentialsType")
            return {"secretsType": kind, **(resource.internal.get(_SECRETS) or {})}
        hours = body.get("expireAfterHours") if body.get("expirableSecret") else _DEFAULT_HOURS
        if not isinstance(hours, int | float) or not 0 < hours <= _MAX_HOURS:
            message = f"'expireAfterHours' must be greater than 0 and at most {_MAX_HOURS}."
            raise BadRequest(message, target="expireAfterHours")
        account = parse_resource_path(resource.id).scope.storage_account
        container = resource.properties["containerName"]
        lifetime = timedelta(hours=hours)
        if resource.name == DEFAULT_DATASTORE:
            # As with the account's key on Azure, which clients also use for the code beside the datastore.
            return {"secretsType": "Sas", "sasToken": self._access.account_token(account, lifetime)}
        token = self._access.token(account, container, lifetime)
        return {"secretsType": "Sas", "sasToken": token}


def _plain_account(name: str) -> str:
    """The account that a document names; a client may send back the name that `present` made."""
    return name.rstrip("?").rpartition("/")[2]
