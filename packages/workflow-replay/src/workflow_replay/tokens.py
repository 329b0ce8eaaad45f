"""The token that a job authenticates with: random, unless the caller issues one that its fake service accepts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_BYTES: Final = 18
_PREFIX: Final = "ghs_"


@dataclass(frozen=True)
class TokenRequest:
    """A job asks for a token with these permissions: a scope such as "contents", and "read", "write" or "none"."""

    job: str
    scopes: Mapping[str, str]


TokenIssuer = Callable[[TokenRequest], str]


def random_token(request: TokenRequest) -> str:  # noqa: ARG001 - the callback's signature
    """A token that no service accepts."""
    return _PREFIX + secrets.token_hex(_BYTES)
