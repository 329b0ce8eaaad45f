"""The token that a job acts with: made up, unless whoever stands in for the service hands it out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_BYTES: Final = 18
_PREFIX: Final = "ghs_"


@dataclass(frozen=True)
class TokenRequest:
    """A job of a run wants a token that may do this: "contents" to "read", "write" or "none"."""

    job: str
    scopes: Mapping[str, str]


Tokens = Callable[[TokenRequest], str]


def made_up(request: TokenRequest) -> str:  # noqa: ARG001 - the callback's shape
    """A token that nobody knows."""
    return _PREFIX + secrets.token_hex(_BYTES)
