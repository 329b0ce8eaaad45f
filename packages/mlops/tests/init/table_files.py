"""Tables as files: written in the dialects in which people have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

Rows = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Dialect:
    """One way to write a CSV."""

    separator: str = ","
    encoding: str = "utf-8"
    line_end: str = "\n"
    decimal: str = "."
    thousands: str = ""
    missing: str = ""

    def write(self, rows: Rows, file: Path) -> Path:
        """Write columns of equal length, the names first; None is missing."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter=self.separator, lineterminator=self.line_end)
        writer.writerow(rows)
        writer.writerows([self._cell(value) for value in row] for row in zip(*rows.values(), strict=True))
        file.write_bytes(stream.getvalue().encode(self.encoding))
        return file

    def _cell(self, value: Any) -> str:
        if value is None:
            return self.missing
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{value:,}".replace(",", "_").replace(".", self.decimal).replace("_", self.thousands)


DIALECTS: Mapping[str, Dialect] = {
    "commas": Dialect(),
    "semicolons": Dialect(separator=";", encoding="utf-8-sig", line_end="\r\n", missing="NA"),
    "decimal comma": Dialect(separator=";", encoding="cp1252", decimal=",", thousands=".", missing="?"),
    "tabs": Dialect(separator="\t", encoding="utf-16", missing="null"),
    "bars": Dialect(separator="|", encoding="utf-16-le", line_end="\r\n", missing="-"),
    "thousands": Dialect(thousands=",", encoding="latin-1", missing="N/A"),
    "old Mac": Dialect(separator=";", encoding="cp1252", line_end="\r", thousands=" "),
}


def parquet(rows: Rows, file: Path) -> Path:
    """Write columns as parquet."""
    pl.DataFrame(dict(rows), strict=False).write_parquet(file)
    return file


def text(file: Path, content: str, encoding: str = "utf-8") -> Path:
    """Write a text as it is."""
    file.write_bytes(content.encode(encoding))
    return file
