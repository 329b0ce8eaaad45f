"""schema.yml as the command reads it: the columns and slices of the project, with the line of whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.core.documents import read_checked
from mlops.core.layout import SCHEMA_FILE
from model_package.schema import Schema, Slice
from model_package.schema_file import SchemaFile

_SLICES = "slices"


def read_project_schema(root: Path) -> Schema:
    """Read schema.yml of the project below `root`. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(root / SCHEMA_FILE, SchemaFile).value.schema_of_columns()


def slices_context(schema: Schema) -> Mapping[str, Any]:
    """Return the context in which a file of rules may name the slices of a schema."""
    return {_SLICES: {each.name: each for each in schema.slices}}


def named_slice(name: Any, context: Mapping[str, Any] | None) -> Slice:
    """Return the slice that a file of rules names. Raises ValueError for an unknown one."""
    known: Mapping[str, Slice] = (context or {})[_SLICES]
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"schema.yml defines no slice {name!r}; it defines {', '.join(known) or 'none'}")
    return known[name]
