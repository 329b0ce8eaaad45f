"""Tables that name files by address: copies with paths of this machine, for readers of the emulator itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from azureml_emulator.jobs.parallel.tables import TABLE_FILE, table_addresses

_FOLDER_MODE = 0o700


def addresses_of(source: Path) -> list[str]:
    """The addresses that a table names; none for what is no table."""
    return table_addresses(_document(source))


def located_table(source: Path, folder: Path, locate: Callable[[str], Path]) -> Path:
    """The table, or where it names addresses, a copy in `folder` with the paths that `locate` finds."""
    document = _document(source)
    if not table_addresses(document):
        return source
    base = source if source.is_dir() else source.parent
    found = []
    for entry in document["paths"]:
        ((kind, text),) = entry.items()
        found.append({kind: str(locate(str(text)) if "://" in str(text) else base / str(text))})
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    copy = folder / TABLE_FILE
    copy.write_text(yaml.safe_dump({**document, "paths": found}), encoding="utf-8")
    return copy


def _document(source: Path) -> dict[str, Any]:
    description = source / TABLE_FILE if source.is_dir() else source
    if not description.is_file():
        return {}
    try:
        document = yaml.safe_load(description.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        # Its reader says what is wrong.
        return {}
    return document if isinstance(document, dict) else {}
