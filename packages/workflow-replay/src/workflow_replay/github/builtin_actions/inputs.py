"""Typed access to the inputs of an action; names are case-insensitive, booleans are those of YAML 1.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.effects import EffectFailed

_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")


def text(inputs: Mapping[str, str], name: str, default: str = "") -> str:
    """An input without surrounding white space; `default` if it is empty."""
    found = next((value for key, value in inputs.items() if key.lower() == name), "")
    return found.strip() or default


def flag(inputs: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A boolean input. Raises EffectFailed for other values."""
    value = text(inputs, name, "true" if default else "false")
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise EffectFailed(f"the input {name} must be true or false, not {value!r}")


def lines(inputs: Mapping[str, str], name: str) -> list[str]:
    """The lines of an input, without empty ones."""
    return [line.strip() for line in text(inputs, name).splitlines() if line.strip()]
