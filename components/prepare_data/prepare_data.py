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
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from split_rows import (
    Shares,
    SplitError,
    assign,
    assign_by_time,
    check,
    describe,
    groups,
    identities,
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


def write_split(rows: pl.DataFrame, parts: npt.NDArray[np.str_], folder: Path, schema: Schema) -> None:
    """Write one parquet file per part, sorted by id or by all columns, so that a reordered source gives the same."""
    folder.mkdir(parents=True, exist_ok=True)
    write_schema(folder, schema)
    order = [schema.identifier] if schema.identifier else list(schema.columns)
    for part in PARTS:
        inside = rows.select(schema.columns).filter(pl.Series(parts == part))
        inside.sort(order, maintain_order=True).write_parquet(part_file(folder, part))


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
    rows = pl.scan_parquet(arguments.validated_data / "*.parquet").collect()
    try:
        shares = Shares(arguments.validation_share, arguments.test_share)
        if schema.time:
            parts = assign_by_time(rows[schema.time], shares, schema.gap)
        else:
            units = groups(rows, schema) if schema.group else identities(rows, schema)
            parts = assign(units, shares, arguments.salt)
        described = describe(encode_target(rows, schema), parts, task_of(schema))
        # Rows of a group are alike: chance alone moves a share further.
        check(described, by_chance=not (schema.time or schema.group))
    except SplitError as error:
        print(f"the split is refused: {error}", file=sys.stderr)
        return 1
    write_split(rows, parts, arguments.split_data, schema)
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
