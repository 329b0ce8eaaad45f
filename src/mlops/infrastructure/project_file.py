"""Fills a stage's place in project.yml: changes values, keeps every comment and all else as it is.

The new text is checked like any project.yml before it replaces the old one, in one step.
"""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mlops.infrastructure.outputs import StackOutputs
from mlops.project import StageName, read_settings

_UNBROKEN = 4096  # characters: no line of the file is ever folded


@dataclass(frozen=True)
class Change:
    """One value that became another; `before` is None for a key that was not there."""

    key: str
    before: str | None
    after: str


def configure(file: Path, stage: StageName, outputs: StackOutputs) -> tuple[Change, ...]:
    """Write a stage's outputs into its project.yml and tell what changed: nothing, when it said so already.

    Raises ProjectError when the file is no valid project.yml, before or after; then it is left as it was.
    """
    read_settings(file)
    parser = YAML()
    parser.preserve_quotes = True
    parser.width = _UNBROKEN
    document = parser.load(file.read_text(encoding="utf-8"))
    place = document["stages"][stage]
    changes = _set(document, {"registry": outputs.registry}, "")
    changes += _set(place, outputs.of_stage, f"stages.{stage}.")
    if changes:
        text = io.StringIO()
        parser.dump(document, text)
        _replace(file, text.getvalue())
    return tuple(changes)


def _set(place: Any, values: dict[str, str], prefix: str) -> list[Change]:  # ruamel's mapping with its comments
    changes = []
    for key, value in values.items():
        before = place.get(key)
        if before != value:
            changes.append(Change(prefix + key, before, value))
            place[key] = value
    return changes


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        read_settings(fresh)
        fresh.chmod(file.stat().st_mode)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
