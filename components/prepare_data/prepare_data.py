"""Split rows into train, validation and test sets: by a stable hash of their id, or by time where the schema names it.

A row's part depends only on its id and the salt: in a refreshed, longer or reordered file, old rows stay in
their parts, so no row that tested one model ever trains the next. Without an id the whole row is the id. A hash leaves
the share of each class in each part to chance; the step reports it, and refuses a split whose deviation chance cannot
explain, or that training cannot work with. What is merely too rare is a warning. By time the newest rows test and the
oldest train, so that no model knows the future of its test rows; rows in the `gap` before a later part are left out.
Where schema.yml names a group, its rows are in one part, so that no model knows the customers of its test rows.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.io.plugins import register_io_source
from split_rows import (
    Shares,
    SplitError,
    assign,
    assign_by_time,
    check,
    describe,
    groups,
    identities,
    line_identities,
    row_lines,
    sentence,
    tracked,
    warnings,
)

from model_package.documents import write_json
from model_package.package import read_schema, write_schema
from model_package.provenance import write_lineage
from model_package.rows.split import PARTS, encode_target, part_file
from model_package.schema import Schema
from model_package.steps.tracking import record
from model_package.tasks import task_of

EXAMPLE = (
    "example: python components/prepare_data/prepare_data.py --validated-data out/validated --split-data out/split"
)

# A few tens of megabytes.
_BATCH_ROWS = 100_000


def write_split(rows: pl.LazyFrame | pl.DataFrame, parts: npt.NDArray[np.str_], folder: Path, schema: Schema) -> None:
    """Write one parquet file per part, sorted by id or by all columns, so that a reordered source gives the same.

    Memory hardly grows with rows that are in the order of their ids; of others, the largest part is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_schema(folder, schema)
    table = rows.lazy().select(schema.columns)
    ids = table.select(schema.identifier).collect().to_series() if schema.identifier else None
    is_sorted = ids is not None and ids.is_sorted()
    for part in PARTS:
        inside, file = parts == part, part_file(folder, part)
        if ids is None:
            whole = pl.concat(_inside(table, inside), rechunk=False)
            whole.sort(list(schema.columns), maintain_order=True).write_parquet(file)
            del whole
        elif is_sorted:
            _stream(table, inside, file)
        else:
            places = pl.Series(np.flatnonzero(inside))
            _gather(table, places.gather(ids.gather(places).arg_sort()), file)


def _stream(table: pl.LazyFrame, inside: npt.NDArray[np.bool_], file: Path) -> None:
    """Write the rows that are `inside` [rows], in their order."""

    def batches(*_: object) -> Iterator[pl.DataFrame]:
        yield from _inside(table, inside)

    register_io_source(batches, schema=table.collect_schema()).sink_parquet(file, maintain_order=True)


def _inside(table: pl.LazyFrame, inside: npt.NDArray[np.bool_]) -> Iterator[pl.DataFrame]:
    first = 0
    for batch in table.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
        yield batch.filter(pl.Series(inside[first : first + batch.height]))
        first += batch.height


def _gather(table: pl.LazyFrame, places: pl.Series, file: Path) -> None:
    """Write the rows at these places, in this order; reads a column at a time."""
    columns = [table.select(name).collect().to_series().gather(places) for name in table.collect_schema().names()]
    pl.DataFrame(columns).write_parquet(file)


def row_identities(table: pl.LazyFrame, schema: Schema, batch_rows: int = _BATCH_ROWS) -> npt.NDArray[np.int64]:
    """Return the identities [rows] of rows without an id, as split_rows does, and hold no rows.

    Which rows are equal in everything, two hashes of 64 bits tell.
    """

    def lines() -> Iterator[pl.Series]:
        batches = table.select(schema.columns).collect_batches(chunk_size=batch_rows, maintain_order=True)
        return (row_lines(batch, schema) for batch in batches)

    hashes = pl.concat(pl.DataFrame({"one": each.hash(1), "two": each.hash(2)}) for each in lines())
    repeated = hashes.with_row_index("row").filter(hashes.is_duplicated())
    numbers = np.zeros(hashes.height, np.int64)
    numbers[repeated["row"].to_numpy()] = repeated.select(pl.int_range(pl.len()).over("one", "two")).to_series()
    found, first = [], 0
    for each in lines():
        found.append(line_identities(each, pl.Series(numbers[first : first + len(each)])))
        first += len(each)
    return np.concatenate(found)


def _deciding(schema: Schema) -> list[str]:
    return list(dict.fromkeys(name for name in (schema.identifier, schema.time, schema.group, schema.target) if name))


def _units(table: pl.LazyFrame, rows: pl.DataFrame, schema: Schema) -> npt.NDArray[np.int64]:
    if schema.group:
        return groups(rows, schema)
    return identities(rows, schema) if schema.identifier else row_identities(table, schema)


def main() -> int:
    """Split validated rows; the exit code is 1 if the split is refused."""
    parser = argparse.ArgumentParser(description="Split rows by a stable hash of their id, or by time.", epilog=EXAMPLE)
    parser.add_argument("--validated-data", type=Path, required=True, help="folder written by validate_data")
    parser.add_argument("--split-data", type=Path, required=True, help="folder for the three parts")
    parser.add_argument("--validation-share", type=float, default=0.15, help="default: %(default)s")
    parser.add_argument("--test-share", type=float, default=0.25, help="default: %(default)s")
    parser.add_argument("--salt", default="split-1", help="another salt gives another split (%(default)s)")
    arguments = parser.parse_args()
    schema = read_schema(arguments.validated_data)
    table = pl.scan_parquet(arguments.validated_data / "*.parquet")
    # What decides which part a row is in; without an id, that may be the whole row.
    rows = table.select(_deciding(schema)).collect()
    try:
        shares = Shares(arguments.validation_share, arguments.test_share)
        if schema.time:
            parts = assign_by_time(rows[schema.time], shares, schema.gap)
        else:
            units = _units(table, rows, schema)
            # By blocks: a name takes 40 bytes, and there are several of a row while it is assigned.
            blocks = (units[first : first + _BATCH_ROWS] for first in range(0, len(units), _BATCH_ROWS))
            parts = np.concatenate([assign(block, shares, arguments.salt) for block in blocks])
        described = describe(encode_target(rows, schema), parts, task_of(schema))
        # Rows of a group are alike: chance alone moves a share further.
        check(described, by_chance=not (schema.time or schema.group))
    except SplitError as error:
        print(f"the split is refused: {error}", file=sys.stderr)
        return 1
    del rows
    write_split(table, parts, arguments.split_data, schema)
    document = {"salt": arguments.salt, "parts": described}
    if noted := warnings(described):
        document["warnings"] = noted
    write_json(arguments.split_data / "split.json", document)
    write_lineage(arguments.split_data, arguments.validated_data, __file__)
    settings = {key: getattr(arguments, key) for key in ("validation_share", "test_share", "salt")}
    record(settings, tracked(described))
    for part, facts in described.items():
        print(sentence(part, facts))
    for each in noted:
        print(f"warning: {each}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
