"""The random secrets of one state folder, created once and kept in one private file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

_FILE = "secrets.json"
_FILE_MODE = 0o600
_BYTES = 32


def _random() -> str:
    return secrets.token_hex(_BYTES)


class SecretKeys(BaseModel):
    """The header that a request for a token needs, and the keys that sign tokens and storage signatures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity_header: str = Field(default_factory=_random, min_length=_BYTES)
    token_key: str = Field(default_factory=_random, min_length=_BYTES)
    storage_key: str = Field(default_factory=_random, min_length=_BYTES)


def read_secret_keys(state: Path) -> SecretKeys:
    """Read the file that `ensure_secret_keys` made. Raises FileNotFoundError before that."""
    return SecretKeys.model_validate_json((state / _FILE).read_bytes())


def ensure_secret_keys(state: Path) -> SecretKeys:
    """Read the secrets; they are created on first use."""
    file = state / _FILE
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, _FILE_MODE), "w") as stream:
            stream.write(SecretKeys().model_dump_json())
        fresh.replace(file)
    return read_secret_keys(state)
