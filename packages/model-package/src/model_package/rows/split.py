"""The parts of a split as they lie between the steps: one parquet file per part beside schema.json (extra `tables`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.tables import matrix
from model_package.schema import Schema
from model_package.tasks import task_of

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part: `features` float32 [rows, features] in the schema's order, and the encoded `target` [rows].

    Classes are int8, the target of a task without classes is float64.
    """

    features: npt.NDArray[np.float32]
    target: npt.NDArray[Any]


def part_file(folder: Path, part: str) -> Path:
    """Return the file of a part within the folder of the split."""
    return folder / f"{part}.parquet"


def read_part(folder: Path, part: str, schema: Schema) -> Part:
    """Read one part of a split. Raises FileNotFoundError when the folder holds no such part."""
    table = pl.scan_parquet(part_file(folder, part)).select([*schema.names, schema.target]).collect()
    task = task_of(schema)
    target = task.encode(table[schema.target].to_numpy())
    return Part(matrix(table, schema.names, np.float32), target.astype(np.int8) if task.decides() else target)
