"""The parts of a split as they lie between the steps: one parquet file per part beside schema.json (extra `tables`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.tables import matrix
from model_package.schema import Schema

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part: `features` float32 [rows, features] in the schema's order, `target` int8 [rows]."""

    features: npt.NDArray[np.float32]
    target: npt.NDArray[np.int8]


def part_file(folder: Path, part: str) -> Path:
    """Return the file of a part within the folder of the split."""
    return folder / f"{part}.parquet"


def read_part(folder: Path, part: str, schema: Schema) -> Part:
    """Read one part of a split. Raises FileNotFoundError when the folder holds no such part."""
    table = pl.scan_parquet(part_file(folder, part)).select([*schema.names, schema.target]).collect()
    return Part(matrix(table, schema.names, np.float32), table[schema.target].cast(pl.Int8).to_numpy())
