"""The parts of a split as they lie between the steps: one parquet file per part beside schema.json (extra `tables`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.encoding import Tensors
from model_package.rows.tables import tensors
from model_package.schema import Schema

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one part: the model's input, and the `target` int8 [rows]."""

    rows: Tensors
    target: npt.NDArray[np.int8]

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
    return Part(tensors(table, schema), table[schema.target].cast(pl.Int8).to_numpy())
