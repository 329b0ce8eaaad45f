"""Rows to score: a parquet file's columns as arrays, chosen by the schema of the package that scores them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.core.errors import InputError
from mlops.models.package_documents import Schema
from mlops.settings.measures import Unmeasurable


@dataclass(frozen=True)
class Rows:
    """Rows by column, and what to call them in a sentence."""

    frame: pl.DataFrame
    name: str

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.frame.height

    def features(self, schema: Schema) -> npt.NDArray[np.float32]:
        """The schema's features in its order, float32 [rows, features]; missing values are NaN.

        Raises Unmeasurable for a column that is missing or holds no numbers.
        """
        return np.ascontiguousarray(self._numbers(schema.names, pl.Float32).to_numpy())

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """One column as float64 [rows]; missing values are NaN. Raises Unmeasurable as `features` does."""
        return self._numbers([name], pl.Float64)[name].to_numpy()

    def target(self, schema: Schema) -> npt.NDArray[np.float64]:
        """The target as 0.0 and 1.0 [rows]. Raises Unmeasurable for any other value, or for no rows."""
        if not self.count:
            raise Unmeasurable(f"the {self.name} are empty")
        values = self.column(schema.target)
        if not np.isin(values, (0.0, 1.0)).all():
            raise Unmeasurable(f"the column '{schema.target}' of the {self.name} holds more than 0 and 1")
        return values

    def _numbers(self, names: list[str], kind: type[pl.DataType]) -> pl.DataFrame:
        missing = [name for name in names if name not in self.frame.columns]
        if missing:
            raise Unmeasurable(f"the {self.name} have no column {', '.join(repr(name) for name in missing)}")
        try:
            return self.frame.select(pl.col(names).cast(kind).fill_null(float("nan")))
        except pl.exceptions.PolarsError as error:
            raise Unmeasurable(f"the {self.name} hold something that is no number: {error}") from error


def read_rows(file: Path, name: str) -> Rows:
    """Read a parquet file. Raises InputError when it is missing or none."""
    if not file.is_file():
        raise InputError(f"the {name} are not at {file}", "Give the parquet file, such as a split's test part.")
    try:
        return Rows(pl.read_parquet(file), name)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file} is no readable parquet file: {error}", "Write it again.") from error
