"""Asset versions whose files a client uploads: where to upload them, and the addresses that a version shows."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from azureml_emulator.kernel.behaviours import Action, VersionBehaviour
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.resource_id import Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.scope_answers import storage_account_id
from azureml_emulator.storage.registered_content import SNAPSHOT_PREFIX
from azureml_emulator.storage.storage_access import StorageAccess

_ADDRESSES = ("codeUri", "modelUri", "dataUri")


class UploadedVersions(VersionBehaviour):
    """Versions whose files a client uploads into a container of their own."""

    def __init__(self, store: Store, clock: Clock, access: StorageAccess) -> None:
        super().__init__(store, clock)
        self.access = access

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document; addresses in the emulator's storage have the current port."""
        properties = resource.properties
        found = {name: self.access.current(properties[name]) for name in _ADDRESSES if properties.get(name)}
        return resource.with_properties(**found).document

    def actions(self) -> dict[str, Action]:
        """POST startPendingUpload."""
        return {"startpendingupload": self._start_upload}

    async def _start_upload(self, resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        return upload_reference(self.access, parse_resource_path(resource.id).scope, resource.key)


def upload_reference(access: StorageAccess, scope: Scope, key: str) -> dict[str, Any]:
    """Where the files of a version may be uploaded: the container is derived from the version's key."""
    account = scope.storage_account
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    container = f"{SNAPSHOT_PREFIX}{digest}"
    return {
        "pendingUploadId": str(uuid.UUID(digest)),
        # The service answers this whatever type of upload was asked for.
        "pendingUploadType": "None",
        "blobReferenceForConsumption": {
            "blobUri": access.url(account, container),
            "storageAccountArmId": storage_account_id(scope),
            "credential": {"credentialType": "SAS", "sasUri": access.writable_url(account, container)},
        },
    }


def temporary_data_reference(access: StorageAccess, scope: Scope, key: str) -> dict[str, Any]:
    """The same in the format of registries."""
    upload = upload_reference(access, scope, key)
    reference = upload["blobReferenceForConsumption"]
    credential = {**reference["credential"], "wasbsUri": None}
    return {
        "blobReferenceForConsumption": {**reference, "credential": credential},
        "imageReferenceForConsumption": None,
        "temporaryDataReferenceId": upload["pendingUploadId"],
        "temporaryDataReferenceType": None,
    }
