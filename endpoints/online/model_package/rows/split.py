"""The parts of a split as they lie between the steps: one parquet file per part beside schema.json (extra `tables`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.encoding import Tensors
from model_package.rows.tables import read_column, tensors
from model_package.schema import BINARY_CLASSIFICATION, CATEGORY, MULTICLASS_CLASSIFICATION, Feature, Schema

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part: the model's input, and the `target` [rows].

    The target is int8 0 or 1 of a binary task, float64 of a regression, and the place in `classes` of a multiclass one.
    """

    rows: Tensors
    target: npt.NDArray[Any]

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """The matrix of the model's input [rows, matrix columns]."""
        return self.rows.features


def part_file(folder: Path, part: str) -> Path:
    """Return the file of a part within the folder of the split."""
    return folder / f"{part}.parquet"


def read_part(folder: Path, part: str, schema: Schema) -> Part:
    """Read one part of a split. Raises FileNotFoundError when the folder holds no such part."""
    table = pl.scan_parquet(part_file(folder, part)).select([*schema.names, schema.target]).collect()
    return Part(tensors(table, schema), encode_target(table, schema))


def encode_target(table: pl.DataFrame, schema: Schema) -> npt.NDArray[Any]:
    """Return the target of rows [rows], as `Part` has it."""
    target = table[schema.target]
    if schema.task == MULTICLASS_CLASSIFICATION:
        places = read_column(table, Feature(schema.target, CATEGORY, categories=schema.classes)).values
        return places.astype(np.int64)
    if schema.task == BINARY_CLASSIFICATION and schema.positive is not None:
        return (target == schema.positive).cast(pl.Int8).to_numpy()
    return target.cast(pl.Int8 if schema.task == BINARY_CLASSIFICATION else pl.Float64).to_numpy()
