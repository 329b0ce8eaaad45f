"""One document over another, as JSON merge patches go (RFC 7386): null takes a key away. Pure."""

from __future__ import annotations

from typing import Any


def merged(document: Any, patch: Any) -> Any:
    """`document` with what `patch` says otherwise; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    base = document if isinstance(document, dict) else {}
    kept = {key: value for key, value in base.items() if key not in patch}
    changed = {key: merged(base.get(key), value) for key, value in patch.items() if value is not None}
    return kept | changed
