"""What of storage belongs to registered versions, and therefore can only be read. Reads the store and storage.

Registered models, and data that was shared into a registry, are copies below a prefix of their own. Uploaded code, data
and build contexts stay where the SDK put them: in a container of the version, or below `LocalUpload/<hash>`. A data
version that points to any other path is a reference to what its owner may change, as on Azure.
"""

from __future__ import annotations

from pathlib import Path

from azureml_emulator.kernel.errors import Conflict, EmulatorError
from azureml_emulator.kernel.names import collating_form
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.blobs import IMMUTABLE_PREFIX, Blobs
from azureml_emulator.storage.locator import Locator

# The name of the container of an uploaded version begins with this.
SNAPSHOT_PREFIX = "snapshot-"
_KINDS = ("codes/versions", "data/versions", "environments/versions")
_UPLOADS = "localupload"
_IMMUTABLE = collating_form(IMMUTABLE_PREFIX)


class RegisteredContent:
    """Refuses writes to what registered versions consist of."""

    def __init__(self, store: Store, blobs: Blobs, locator: Locator) -> None:
        self._store = store
        self._blobs = blobs
        self._locator = locator

    def refuse_write(self, account: str, container: str, name: str) -> None:
        """Raise Conflict when a blob belongs to a registered version, however its name is spelled."""
        parts = collating_form(name)
        if parts[:1] == _IMMUTABLE or self._is_uploaded(account, container, parts):
            raise Conflict(
                f"'{name}' belongs to a registered version, which is immutable. Register a new version.",
                code="BlobImmutableDueToPolicy",
            )

    def _is_uploaded(self, account: str, container: str, parts: tuple[str, ...]) -> bool:
        if container.casefold().startswith(SNAPSHOT_PREFIX):
            mentioned = container.casefold()
        elif parts[:1] == (_UPLOADS,) and len(parts) > 1:
            mentioned = f"{_UPLOADS}/{parts[1]}"
        else:
            return False
        root = collating_form(self._blobs.root.as_posix())
        place = (*collating_form(account), *collating_form(container), *parts)
        for version in self._store.mentioning(_KINDS, mentioned):
            content = self._content(version)
            inside = collating_form(content.as_posix())[len(root) :] if content else ()
            if inside and place[: len(inside)] == inside:
                return True
        return False

    def _content(self, version: Resource) -> Path | None:
        try:
            if version.kind != "environments/versions":
                return self._locator.content(version)
            context = (version.properties.get("build") or {}).get("contextUri")
            return self._locator.path(context, parse_resource_path(version.id).scope) if context else None
        except EmulatorError:
            # It refers to something outside of this storage.
            return None
