"""Addresses of the emulator's storage that carry their own permission.

Account names as clients of Azure need them, and addresses of this process: its port may be another at
the next start, so nothing with a port in it is stored as truth.
"""

from __future__ import annotations

import re
from datetime import timedelta

from azureml_emulator.security.signatures import READ_ONLY, READ_WRITE, Signatures
from azureml_emulator.storage.blobs import Blobs

_LIFETIME = timedelta(hours=24)
_OWN_ADDRESS = re.compile(r"^https://(?:127\.0\.0\.1|localhost):\d+(?=/emu[0-9a-f]{12}/)")


class StorageAccess:
    """Grants access to containers."""

    def __init__(self, base_url: str, blobs: Blobs, signatures: Signatures) -> None:
        self._base_url = base_url
        self._blobs = blobs
        self._signatures = signatures

    def account_name(self, account: str) -> str:
        """The name a datastore answers.

        Clients build `https://<name>.blob.<suffix>/` from it. This name puts the emulator's own address
        first and turns all that clients add into a query that nobody reads.
        """
        return f"{self._base_url.removeprefix('https://')}/{account}?"

    def url(self, account: str, container: str, name: str = "") -> str:
        """The address of a container or blob, without permission."""
        return f"{self._base_url}/{account}/{container}" + (f"/{name}" if name else "")

    def token(self, account: str, container: str, lifetime: timedelta = _LIFETIME) -> str:
        """The query that lets read and write a container, which is made if need be."""
        self._blobs.container(account, container)
        return self._signatures.sign(account, container, READ_WRITE, lifetime)

    def readable_account(self, account: str, container: str) -> str:
        """An account's address with the permission to read one of its containers."""
        return f"{self._base_url}/{account}?{self._signatures.sign(account, container, READ_ONLY, _LIFETIME)}"

    def readable_url(self, account: str, container: str, name: str = "") -> str:
        """An address with the permission to read the container it is in, such as a log's."""
        signed = self._signatures.sign(account, container, READ_ONLY, _LIFETIME)
        return f"{self.url(account, container, name)}?{signed}"

    def writable_url(self, account: str, container: str) -> str:
        """A container's address with the permission to read and write it."""
        return f"{self.url(account, container)}?{self.token(account, container)}"

    def current(self, url: str) -> str:
        """An address in the emulator's storage as it is now; any other text as it is."""
        return _OWN_ADDRESS.sub(self._base_url, url)
