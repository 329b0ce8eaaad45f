"""The parts of a split as they lie between the steps: one parquet file a part, read as numpy arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shared.schema import Schema

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Rows of one part: `features` float32 [rows, features] in the schema's order, `target` int8 [rows]."""

    features: Floats
    target: npt.NDArray[np.int8]


def part_file(folder: Path, part: str) -> Path:
    """Name the file of a part within the folder of the split."""
    return folder / f"{part}.parquet"


def read_part(folder: Path, part: str, schema: Schema) -> Part:
    """Read one part of a split.

    Raises FileNotFoundError when the folder holds no such part.
    """
    frame = pl.scan_parquet(part_file(folder, part)).select([*schema.names, schema.target]).collect()
    # Row order in memory: onnxruntime and MLflow read contiguous rows without copying them again.
    features = np.ascontiguousarray(frame.select(schema.names).cast(pl.Float32).to_numpy())
    return Part(features=features, target=frame[schema.target].cast(pl.Int8).to_numpy())
