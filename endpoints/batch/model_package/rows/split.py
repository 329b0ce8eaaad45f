"""The parts of a split as they lie between the steps: one parquet file per part beside schema.json (extra `tables`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.encoding import Tensors
from model_package.rows.tables import tensors
from model_package.schema import Schema
from model_package.tasks import task_of

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part: the model's input, and the `target` [rows] as the task encodes it.

    It is int8 0 or 1 of a binary task, float64 of a regression, and the place in `classes`, int16, of a multiclass one.
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


def read_part(folder: Path, part: str, schema: Schema, share: tuple[int, int] = (0, 1)) -> Part:
    """Read one part of a split. Raises FileNotFoundError when the folder holds no such part.

    `share` (1, 4) reads the second of four runs of rows, which are as long as each other to within a row.
    """
    rows = pl.scan_parquet(part_file(folder, part)).select([*schema.names, schema.target])
    number, shares = share
    if shares > 1:
        total = rows.select(pl.len()).collect().item()
        first = total * number // shares
        rows = rows.slice(first, total * (number + 1) // shares - first)
    table = rows.collect()
    return Part(tensors(table, schema), encode_target(table, schema))


def encode_target(table: pl.DataFrame, schema: Schema) -> npt.NDArray[Any]:
    """Return the target of rows [rows], as `Part` has it."""
    task = task_of(schema)
    target = task.encode(table[schema.target].to_numpy())
    return target.astype(np.int16 if schema.classes else np.int8) if task.decides() else target
