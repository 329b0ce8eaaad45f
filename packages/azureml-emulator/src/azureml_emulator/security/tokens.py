"""Access tokens: JSON web tokens signed with the state folder's key (HS256). No I/O except for the clock.

Clients read `aud` and `tid` of a token; only this emulator verifies its signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import Unauthorized

LIFETIME_SECONDS = 24 * 3600
# Of the token that MLflow's clients find in their environment, which cannot be renewed while they run.
MLFLOW_AUDIENCE = "https://mlflow.azureml-emulator"
RUN_CLAIM = "run"
_NEVER = 4102444800
TENANT = "00000000-0000-0000-0000-000000000001"
PRINCIPAL = "00000000-0000-0000-0000-000000000002"
_HEADER = {"alg": "HS256", "typ": "JWT"}
_SCOPE_SUFFIX = "/.default"


@dataclass(frozen=True)
class Token:
    """A token, and when it expires in seconds of the epoch."""

    text: str
    expires: int
    audience: str


class Tokens:
    """Issues and verifies tokens."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._key = key.encode()
        self._clock = clock

    def issue(self, audience: str) -> Token:
        """A token for a resource or scope; the suffix `/.default` of a scope is dropped, as Azure does."""
        now = int(self._clock.now().timestamp())
        return self._signed(audience.removesuffix(_SCOPE_SUFFIX), now, now + LIFETIME_SECONDS)

    def for_mlflow(self, run: str = "") -> str:
        """The token of MLflow's clients; that of a step names its run. It opens MLflow and run history only.

        Always the same, and it does not expire.
        """
        return self._signed(MLFLOW_AUDIENCE, 0, _NEVER, **({RUN_CLAIM: run} if run else {})).text

    def _signed(self, audience: str, now: int, expires: int, **more: str) -> Token:
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "oid": PRINCIPAL,
            "sub": PRINCIPAL,
            "tid": TENANT,
            "appid": PRINCIPAL,
            "idtyp": "app",
            "ver": "1.0",
            **more,
        }
        signed = f"{_encode(_json(_HEADER))}.{_encode(_json(claims))}"
        return Token(f"{signed}.{self._sign(signed)}", expires, audience)

    def check(self, text: str) -> dict[str, Any]:
        """The token's claims. Raises Unauthorized for a token that is foreign, broken or expired."""
        signed, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), signature.encode(errors="replace")):
            raise Unauthorized("The access token was not issued by this emulator.", code="InvalidAuthenticationToken")
        claims = json.loads(_decode(signed.partition(".")[2]))
        if claims["exp"] <= self._clock.now().timestamp():
            raise Unauthorized("The access token has expired.", code="ExpiredAuthenticationToken")
        return claims

    def _sign(self, signed: str) -> str:
        return _encode(hmac.new(self._key, signed.encode(errors="replace"), hashlib.sha256).digest())


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
