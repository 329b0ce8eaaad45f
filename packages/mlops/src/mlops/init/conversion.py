"""A table in any common form, as the CSV that the pipeline reads: what schema.yml names, in the schema's notation.

`mlops train --data` and `mlops demo --data` take the same files as `mlops init`. A value that cannot be read stays as
it is, so that the step validate_data names it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import polars as pl

from mlops.cli.progress import say
from mlops.core.edits import Edit, write
from mlops.core.errors import InputError
from mlops.core.layout import CONVERTED_FOLDER, SCHEMA_FILE, private_folder
from mlops.init.columns import Column, infer
from mlops.init.reading import Source, read_table
from mlops.init.values import MISSING, POINT, TRUE_AND_FALSE, are_numbers, infinite, numbers, without_symbol
from mlops.settings.project import Project
from model_package.schema import BOOLEAN, INTEGER, NUMBER, REGRESSION, TIMESTAMP, Schema
from model_package.schema_file import read_schema_file
from model_package.tasks import base_task

_PLAIN_FORM: Final = "CSV with commas, UTF-8, "
_SHOWN: Final = 5


@dataclass(frozen=True)
class Converted:
    """A file that the pipeline reads, and what was changed on the way to it, one sentence each; nothing if it is the
    file that was given."""

    file: Path
    changes: tuple[str, ...] = ()


def in_the_pipelines_form(project: Project, file: Path) -> Converted:
    """Return a file with the same rows that the pipeline can read; rows without a target are left out.

    A file that already has this form is returned as it is; also one without some of the schema's columns, which the
    step validate_data then names. Raises InputError for a file that is no table, or one of something else.
    """
    source = read_table(file)
    schema = read_schema_file(project.required_file(Path(SCHEMA_FILE)))
    _require_table_of(schema, source)
    if schema.target not in source.texts.columns:
        return Converted(file)
    table, changes = _table(source, schema)
    if not changes:
        return Converted(file)
    content = table.write_csv()
    key = hashlib.sha256(content.encode()).hexdigest()[:12]
    made = private_folder(project.path(CONVERTED_FOLDER) / key) / f"{file.stem}.csv"
    if not made.is_file():
        write(made.parent, Edit(PurePosixPath(made.name), None, content))
    return Converted(made, tuple(changes))


def _require_table_of(schema: Schema, source: Source) -> None:
    """Refuse a table that lacks most of the schema's columns: it is that of another model."""
    needed = [*_kinds(schema)]
    absent = [name for name in needed if name not in source.texts.columns]
    if 2 * len(absent) > len(needed):
        more = ", …" if len(absent) > _SHOWN else ""
        raise InputError(
            f"{source.file} is not a table of this project's model: it lacks {len(absent)} of the {len(needed)} "
            f"columns that {SCHEMA_FILE} names: {', '.join(absent[:_SHOWN])}{more}",
            f"For a model of this table, first run: mlops init --data {shlex.quote(str(source.file))} --target COLUMN",
        )


def converted_file(project: Project, file: Path | None) -> Path | None:
    """Return the file to train on, and say what was changed for it."""
    if file is None:
        return None
    converted = in_the_pipelines_form(project, file)
    for change in converted.changes:
        say(f"{file.name}: {change}")
    return converted.file


def _table(source: Source, schema: Schema) -> tuple[pl.DataFrame, list[str]]:
    """The converted rows, and what was changed."""
    changes = [] if source.form.startswith(_PLAIN_FORM) else [f"read as {source.form}; written with commas, in UTF-8"]
    inferred = {column.name: column for column in infer(source)}
    kinds = _kinds(schema)
    made, rewritten = [], []
    for raw in source.texts.get_columns():
        if raw.name not in kinds:
            made.append(raw)
            continue
        kind, own = kinds[raw.name]
        written = _written(raw, inferred[raw.name], kind, own)
        made.append(written)
        changed = ~written.fill_null("").eq(raw.fill_null(""))
        if changed.any():
            at = changed.arg_true()[0]
            rewritten.append(f"{raw.name}: {raw[at]!r} → {written[at] or 'missing'!r}")
    if rewritten:
        more = f" and {len(rewritten) - _SHOWN} more columns" if len(rewritten) > _SHOWN else ""
        changes.append(f"rewritten in the notation of {SCHEMA_FILE}: {', '.join(rewritten[:_SHOWN])}{more}")
    table = pl.DataFrame(made)
    lost = table[schema.target].is_null() | (table[schema.target] == "")
    if lost.all():
        raise InputError(
            f"no row of {source.file} has a value of the target {schema.target}", "Give a file with known outcomes."
        )
    if lost.any():
        changes.append(f"{lost.sum():,} rows without {schema.target} are left out")
    return table.filter(~lost), changes


def _kinds(schema: Schema) -> Mapping[str, tuple[str, Collection[str]]]:
    """The type of each column that is read, and the texts that are values of it, whatever they look like."""
    kinds: dict[str, tuple[str, Collection[str]]] = {
        each.name: (each.type, {str(value) for value in each.categories or ()}) for each in schema.features
    }
    if schema.time:
        kinds.setdefault(schema.time, (TIMESTAMP, ()))
    if schema.identifier:
        kinds.setdefault(schema.identifier, ("", ()))
    outcomes = {str(value) for value in (*schema.classes, *([] if schema.positive is None else [schema.positive]))}
    if base_task(schema) == REGRESSION:
        return kinds | {schema.target: (NUMBER, ())}
    if isinstance(schema.positive, bool):
        return kinds | {schema.target: (BOOLEAN, ())}
    return kinds | {schema.target: ("" if outcomes else INTEGER, outcomes)}


def _written(raw: pl.Series, column: Column, kind: str, own: Collection[str]) -> pl.Series:
    """A column's texts as the pipeline reads them; null where they are missing."""
    stripped = raw.str.strip_chars()
    markers = [text for text in MISSING if text not in own]
    texts = stripped.set(stripped.is_in(markers), None)
    if kind == TIMESTAMP:
        return column.written if column.type == TIMESTAMP else texts
    if kind == BOOLEAN:
        words = texts.str.to_lowercase()
        return words.replace(TRUE_AND_FALSE).set(~words.is_in(list(TRUE_AND_FALSE)), None).fill_null(texts)
    if kind not in (INTEGER, NUMBER):
        return texts
    texts = texts.set(infinite(texts), None)
    return texts if column.style == POINT and _are_plain(texts) else _plain_numbers(texts, column)


def _are_plain(texts: pl.Series) -> bool:
    """Whether everything reads as a number as it is."""
    return texts.cast(pl.Float64, strict=False).null_count() == texts.null_count()


def _plain_numbers(texts: pl.Series, column: Column) -> pl.Series:
    """Numbers with a decimal point only; what is no number in the file's notation stays as it is."""
    bare = without_symbol(texts) if column.symbol else texts
    readable = are_numbers(bare.fill_null(""), column.style)
    values = numbers(bare.set(~readable, None), column.style).values
    return values.cast(pl.String).fill_null(texts)
