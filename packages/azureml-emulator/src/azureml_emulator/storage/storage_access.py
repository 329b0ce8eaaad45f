"""Signed addresses of the emulator's storage, and account names as Azure's clients need them.

The port may differ after the next start, so an address that contains it is updated whenever it is shown.
"""

from __future__ import annotations

import re
from datetime import timedelta

from azureml_emulator.security.signatures import READ_ONLY, READ_WRITE, WHOLE_ACCOUNT, Signatures
from azureml_emulator.storage.blobs import Blobs

_LIFETIME = timedelta(hours=24)
_OWN_ADDRESS = re.compile(r"^https://(?:127\.0\.0\.1|localhost):\d+(?=/emu[0-9a-f]{12}/)")
_SUFFIX = ".blob.core.windows.net"
_ACCOUNT_ADDRESS = r"^(https://(?:127\.0\.0\.1|localhost):\d+/emu[0-9a-f]{12})"
_PLAIN_ADDRESS = re.compile(rf"{_ACCOUNT_ADDRESS}(?=/)")
_SUFFIXED = re.compile(rf"{_ACCOUNT_ADDRESS}\?{re.escape(_SUFFIX)}(?=/)")


class StorageAccess:
    """Grants access to containers."""

    def __init__(self, base_url: str, blobs: Blobs, signatures: Signatures) -> None:
        self._base_url = base_url
        self._blobs = blobs
        self._signatures = signatures

    def account_name(self, account: str) -> str:
        """The account name that a datastore shows.

        Clients build `https://<name>.blob.<suffix>/` from it. This name starts with the emulator's own address, and
        turns what clients append into a query string, which is ignored.
        """
        return f"{self._base_url.removeprefix('https://')}/{account}?"

    def azure_url(self, url: str) -> str:
        """An address in the emulator's storage with an account name such as datastores show, before Azure's suffix.

        The SDK reads account, container and name from an address with this suffix only.
        """
        return _PLAIN_ADDRESS.sub(rf"\1?{_SUFFIX}", self.current(url))

    def url(self, account: str, container: str, name: str = "") -> str:
        """The address of a container or blob, unsigned."""
        return f"{self._base_url}/{account}/{container}" + (f"/{name}" if name else "")

    def token(self, account: str, container: str, lifetime: timedelta = _LIFETIME) -> str:
        """The query string that permits to read and write a container, which is created if needed."""
        self._blobs.container(account, container)
        return self._signatures.sign(account, container, READ_WRITE, lifetime)

    def account_token(self, account: str, lifetime: timedelta) -> str:
        """The query string that permits to read and write every container of an account."""
        return self._signatures.sign(account, WHOLE_ACCOUNT, READ_WRITE, lifetime)

    def readable_account(self, account: str, container: str) -> str:
        """The address of an account, with a signature to read one of its containers."""
        return f"{self._base_url}/{account}?{self._signatures.sign(account, container, READ_ONLY, _LIFETIME)}"

    def readable_url(self, account: str, container: str, name: str = "") -> str:
        """The address of a blob such as a log, with a signature to read its container."""
        signed = self._signatures.sign(account, container, READ_ONLY, _LIFETIME)
        return f"{self.url(account, container, name)}?{signed}"

    def writable_url(self, account: str, container: str) -> str:
        """The address of a container, with a signature to read and write it."""
        return f"{self.url(account, container)}?{self.token(account, container)}"

    def current(self, url: str) -> str:
        """An address in the emulator's storage, with the current port and no suffix; any other text unchanged."""
        return _OWN_ADDRESS.sub(self._base_url, _SUFFIXED.sub(r"\1", url))
