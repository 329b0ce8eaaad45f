"""A window of what deployments collected: their folders of JSON lines become one table of numbers, each row once.

Files are read one after the other and only numbers are kept (some 120 bytes per row): labels become codes, texts their
lengths, and identities hashes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.collected.lines import Found, LineReader, Types, whole_lines
from model_package.collected.rows import first_of_each, row_keys, with_answers
from model_package.collected.window import Window
from model_package.rows.collected_columns import IDENTITY, INPUTS, KEY, MODEL_VERSION, OUTPUTS, TIME, collected_name
from model_package.rows.tables import matrix, read_column
from model_package.schema import BOOLEAN, CATEGORY, Feature, Schema
from model_package.tasks import Task, task_of

_CHUNK_BYTES = 16 * 1024 * 1024
_NUMBER = pl.Float32()


@dataclass(frozen=True)
class Collected:
    """The rows of a window: features float32 (NaN: missing), the task's answer, `model_version` and `key`.

    Features have the names of rows.collected_columns, and the values that rows.cells defines; a category that is not
    listed has the code after the last one.
    The answer is null where none was collected. `key` is a hash of request id and row number.
    """

    table: pl.DataFrame
    found: Found

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.table.height

    @property
    def unanswered(self) -> int:
        """How many rows have no answer."""
        return self.table[MODEL_VERSION].null_count()

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """Return one column of numbers, float32 [rows], NaN where it is missing."""
        return matrix(self.table, [name], np.float32)[:, 0]


def read_window(folder: Path, window: Window, schema: Schema, deployments: Sequence[str] = ()) -> Collected:
    """Read <folder>/<deployment>/<collection>/yyyy/MM/dd/HH/*.jsonl; of a row that several have, the first's counts.

    Without names, all deployments count, in the order of their names. A folder that is not there holds nothing.
    """
    found, task = Found(), task_of(schema)
    names = deployments or sorted(each.name for each in folder.glob("*") if each.is_dir())
    tables = [_deployment(folder / name, window, schema, task, found) for name in names]
    together = pl.concat([_nothing(window, schema, task), *tables], how="vertical")
    del tables
    once = first_of_each(together, [KEY])
    found.repeated += together.height - once.height
    return Collected(once, found)


def _deployment(folder: Path, window: Window, schema: Schema, task: Task, found: Found) -> pl.DataFrame:
    inputs = LineReader.of_inputs(window, found, task, _types(schema, task), _NUMBER)
    asked = _read(folder / INPUTS, inputs, window, found, partial(_narrow_inputs, schema=schema))
    later = window.for_answers()
    answers = LineReader.of_outputs(later, found, task, _NUMBER)
    return with_answers(asked, _read(folder / OUTPUTS, answers, later, found, _narrow), [KEY])


def _read(
    folder: Path, reader: LineReader, window: Window, found: Found, narrow: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    tables = [narrow(reader.empty())]
    for file in sorted(folder.rglob("*.jsonl")):
        hour = window.hour_of(file.relative_to(folder).as_posix())
        if hour is not None:
            found.files += 1
            tables += [narrow(reader.read(block, hour)) for block in whole_lines(_chunks(file))]
    return pl.concat(tables)


def _nothing(window: Window, schema: Schema, task: Task) -> pl.DataFrame:
    inputs = LineReader.of_inputs(window, Found(), task, _types(schema, task), _NUMBER).empty()
    answers = LineReader.of_outputs(window, Found(), task, _NUMBER).empty()
    return with_answers(_narrow_inputs(inputs, schema), _narrow(answers), [KEY])


def _types(schema: Schema, task: Task) -> Types:
    """Return the types of the features as they are collected."""
    return {collected_name(feature.name, task): _type(feature) for feature in schema.features}


def _type(feature: Feature) -> pl.DataType:
    if feature.is_number:
        return _NUMBER
    if feature.type == BOOLEAN:
        return pl.Boolean()
    is_whole = feature.type == CATEGORY and not any(isinstance(each, str) for each in feature.categories or ())
    return pl.Int64() if is_whole else pl.String()


def _narrow_inputs(table: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the features as numbers, with a key in the place of what identifies the row."""
    task = task_of(schema)
    others = [
        replace(feature, name=collected_name(feature.name, task))
        for feature in schema.features
        if not feature.is_number
    ]
    return _narrow(table.with_columns(_values(table, feature) for feature in others) if others else table)


def _values(table: pl.DataFrame, feature: Feature) -> pl.Series:
    found = read_column(table, feature)
    values = found.values
    if feature.type == CATEGORY and found.unread.any():
        values = np.where(found.unread, len(feature.labels), values)
    return pl.Series(feature.name, values, _NUMBER, nan_to_null=True)


def _narrow(table: pl.DataFrame) -> pl.DataFrame:
    """Return the values with a key in the place of what identifies the row; versions are few, so a category each."""
    values = [name for name in table.columns if name not in (*IDENTITY, TIME)]
    return table.select(
        *(pl.col(name).cast(pl.Categorical()) if name == MODEL_VERSION else name for name in values), row_keys()
    )


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
