"""Shared access signatures (SAS) for a container of the emulator's storage, or for all containers of an account.

The query parameters are Azure's (sv, sr, sp, se, sig). No client verifies the signature, so it is the emulator's own,
over account, container, permissions and expiry. No I/O except for the clock.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import Forbidden

READ_ONLY = "rl"
READ_WRITE = "racwdl"
_VERSION = "2025-01-05"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_REFUSED = "AuthenticationFailed"


# In place of a container: all of the account, as its key would grant it.
WHOLE_ACCOUNT = "*"


class Signatures:
    """Signs and checks access to a container."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._key = key.encode()
        self._clock = clock

    def sign(self, account: str, container: str, permissions: str, lifetime: timedelta) -> str:
        """The query string that grants `permissions` (letters of "racwdl") for `lifetime` from now."""
        expiry = (self._clock.now() + lifetime).astimezone(UTC).strftime(_TIME_FORMAT)
        signature = self._signature(account, container, permissions, expiry)
        return urlencode({"sv": _VERSION, "sr": "c", "sp": permissions, "se": expiry, "sig": signature})

    def check(self, account: str, container: str, needed: str, query: Mapping[str, str]) -> None:
        """Raise Forbidden unless the query's signature is valid and grants one of the permissions in `needed`."""
        permissions, expiry = query.get("sp", ""), query.get("se", "")
        given = query.get("sig", "").encode()
        signed = [self._signature(account, each, permissions, expiry) for each in (container, WHOLE_ACCOUNT)]
        if not any(hmac.compare_digest(expected.encode(), given) for expected in signed):
            raise Forbidden(
                "Server failed to authenticate the request. The signature does not cover this container.",
                code=_REFUSED,
            )
        if datetime.strptime(expiry, _TIME_FORMAT).replace(tzinfo=UTC) <= self._clock.now():
            raise Forbidden(
                f"Server failed to authenticate the request. The signature expired at {expiry}.",
                code=_REFUSED,
            )
        if not set(needed) & set(permissions):
            raise Forbidden(
                f"This needs one of the permissions '{needed}'; the signature grants '{permissions}'.",
                code="AuthorizationPermissionMismatch",
            )

    def _signature(self, account: str, container: str, permissions: str, expiry: str) -> str:
        text = f"{account}\n{container}\n{permissions}\n{expiry}"
        return base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()
