"""Rows as the model's tensors, made in one way for requests, files and tables; and the way back. Pure: no I/O.

Numbers, booleans, codes of categories and the parts of timestamps are one float32 matrix, with NaN for what is missing.
Each text column is a tensor of strings beside it, with "" for what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from model_package.rows.cells import MILLISECONDS_PER_DAY, NAN, ORIGIN, CellReader
from model_package.schema import TEXT, TIMESTAMP, TIMESTAMP_PARTS, Schema

INPUT = "features"
TEXT_INPUT = "text_{}"
_MILLISECONDS = np.array([3_600_000, 60_000, 1_000])
_DAYS_TO_ORIGIN = (ORIGIN.date() - date(1970, 1, 1)).days
# 2000-01-01 was a Saturday, which ISO 8601 numbers 6.
_ORIGIN_WEEKDAY = 5

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """The model's input: `features` float32 [rows, matrix columns], `texts` a [rows, 1] of str per text column."""

    features: Floats
    texts: tuple[Texts, ...] = ()

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.features)

    def __getitem__(self, rows: Any) -> "Tensors":
        """Return some rows, chosen by a slice, a mask or numbers."""
        return Tensors(self.features[rows], tuple(each[rows] for each in self.texts))

    @property
    def nbytes(self) -> int:
        """How many bytes they take, some per character of a text."""
        return self.features.nbytes + sum(sum(map(len, each[:, 0])) + each.nbytes for each in self.texts)

    def as_inputs(self) -> dict[str, Any]:
        """Return the tensors by the names that the model's graph gives its inputs; a matrix without columns is none."""
        matrix = {INPUT: self.features} if self.features.shape[1] else {}
        if not self.texts:
            return matrix
        return matrix | dict(zip(map(TEXT_INPUT.format, range(len(self.texts))), self.texts, strict=True))


# A matrix alone is the input of a model that reads no text.
ModelInput: TypeAlias = Tensors | Floats


def input_names(schema: Schema) -> tuple[str, ...]:
    """Return the names of the inputs of a model with these columns."""
    matrix = (INPUT,) if schema.matrix_columns else ()
    return (*matrix, *map(TEXT_INPUT.format, range(len(schema.texts))))


def as_tensors(given: ModelInput) -> Tensors:
    """Return the tensors of a model's input."""
    return given if isinstance(given, Tensors) else Tensors(given)


def concatenated(parts: Sequence[Tensors]) -> Tensors:
    """Return the rows of several, in order; there must be at least one."""
    texts = zip(*(each.texts for each in parts), strict=True)
    return Tensors(np.concatenate([each.features for each in parts]), tuple(np.concatenate(each) for each in texts))


def encode(values: Values, texts: Sequence[Texts], schema: Schema) -> Tensors:
    """Return the tensors of values [rows, features], as rows.cells defines them, and of the text columns."""
    if schema.matrix_columns == schema.names:
        return Tensors(values.astype(np.float32), tuple(texts))
    made = np.empty((len(values), len(schema.matrix_columns)), np.float32)
    at = 0
    for feature, column in zip(schema.features, values.T, strict=True):
        if feature.type == TIMESTAMP:
            made[:, at : at + len(TIMESTAMP_PARTS)] = _parts(column)
        elif feature.type != TEXT:
            made[:, at] = column
        at += len(feature.matrix_columns)
    return Tensors(made, tuple(texts))


def decode(given: ModelInput, schema: Schema) -> Values:
    """Return the values [rows, features] that tensors were made of, as rows.cells defines them."""
    tensors = as_tensors(given)
    made = np.empty((len(tensors), len(schema.features)))
    texts, at = iter(tensors.texts), 0
    for feature, column in zip(schema.features, made.T, strict=True):
        if feature.type == TIMESTAMP:
            column[:] = _days(tensors.features[:, at : at + len(TIMESTAMP_PARTS)].astype(np.float64))
        elif feature.type == TEXT:
            column[:] = [len(text) or NAN for text in next(texts)[:, 0]]
        else:
            column[:] = tensors.features[:, at]
        at += len(feature.matrix_columns)
    return made


def cells(given: ModelInput, schema: Schema) -> dict[str, list[Any]]:
    """Return the columns of rows as a caller writes them in JSON: labels, true and false, ISO 8601, null."""
    tensors = as_tensors(given)
    texts = iter(tensors.texts)
    columns = {}
    for feature, values in zip(schema.features, decode(tensors, schema).T, strict=True):
        reader = CellReader(feature)
        written = next(texts)[:, 0] if feature.type == TEXT else [""] * len(values)
        columns[feature.name] = [reader.cell(*each) for each in zip(values.tolist(), written, strict=True)]
    return columns


def text_tensor(texts: Sequence[str | None]) -> Texts:
    """Return the tensor [rows, 1] of a text column."""
    made = np.empty((len(texts), 1), dtype=object)
    made[:, 0] = [text or "" for text in texts]
    return made


def _parts(days: Values) -> Values:
    """Return the parts [rows, parts] of timestamps [rows] given in days."""
    known = np.isfinite(days)
    moments = np.rint(np.where(known, days, 0) * MILLISECONDS_PER_DAY).astype(np.int64)
    whole, rest = np.divmod(moments, MILLISECONDS_PER_DAY)
    dates = (whole + _DAYS_TO_ORIGIN).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    hours, rest = np.divmod(rest, _MILLISECONDS[0])
    minutes, rest = np.divmod(rest, _MILLISECONDS[1])
    parts = [
        whole,
        months.astype(np.int64) % 12 + 1,
        (dates - months.astype("datetime64[D]")).astype(np.int64) + 1,
        (whole + _ORIGIN_WEEKDAY) % 7 + 1,
        hours,
        minutes,
        rest / _MILLISECONDS[2],
    ]
    return np.where(known[:, None], np.stack(parts, axis=1), np.nan)


def _days(parts: Values) -> Values:
    days, hours, minutes, seconds = (parts[:, at] for at in (0, 4, 5, 6))
    milliseconds = np.rint(seconds * _MILLISECONDS[2]) + minutes * _MILLISECONDS[1] + hours * _MILLISECONDS[0]
    return (days * MILLISECONDS_PER_DAY + milliseconds) / MILLISECONDS_PER_DAY
