"""Make of what Spark validated and split the outputs of validate_data and prepare_data.

Spark writes folders of tables in no order, and no single files. The steps that follow run on one machine and read one
sorted table per part beside schema.json, so this step ends what Spark began: they get the same files either way.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
from report_pages import write_report

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import LINEAGE_FILE, extended_lineage
from model_package.rows.split import PARTS, part_file
from model_package.schema import Schema
from model_package.steps.tracking import record

SCHEMA_FILE = "schema.json"

EXAMPLE = (
    "example: python components/gather_split/gather_split.py --split-rows out/spark --report out/report "
    "--split-data out/split --validation-report out/validation"
)


class MissingRowsError(Exception):
    """The rows are not those that Spark counted."""


def read_document(folder: Path) -> dict[str, Any]:
    """Return the line of JSON that Spark wrote into a folder."""
    (line,) = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.txt")).splitlines()
    return json.loads(line)


def write_part(rows: Path, part: str, folder: Path, schema: Schema, expected: int) -> None:
    """Write one part as prepare_data does. Raises MissingRowsError."""
    found = pl.scan_parquet(rows / f"__part__={part}" / "*.parquet", hive_partitioning=False).collect()
    if found.height != expected:
        raise MissingRowsError(
            f"{rows} has {found.height:,} rows of {part}, not {expected:,}: run the step before again"
        )
    order = [schema.identifier] if schema.identifier else list(schema.columns)
    found.select(schema.columns).sort(order, maintain_order=True).write_parquet(part_file(folder, part))


def main() -> int:
    """Write the tables and the report; the exit code is 1 if rows are missing."""
    parser = argparse.ArgumentParser(description="Make one table per part of what Spark wrote.", epilog=EXAMPLE)
    parser.add_argument("--split-rows", type=Path, required=True, help="folder written by prepare_data_spark")
    parser.add_argument("--report", type=Path, required=True, help="folder of the report of validate_data_spark")
    parser.add_argument("--split-data", type=Path, required=True, help="folder for the three parts")
    parser.add_argument("--validation-report", type=Path, required=True, help="folder for the report")
    arguments = parser.parse_args()
    report, about = read_document(arguments.report), read_document(arguments.split_rows / "document")
    folder: Path = arguments.split_data
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SCHEMA_FILE, about["schema"])
    schema = read_schema(folder)
    try:
        for part in PARTS:
            rows = arguments.split_rows / "rows"
            write_part(rows, part, folder, schema, about["split"]["parts"][part]["rows"])
    except MissingRowsError as error:
        print(error, file=sys.stderr)
        return 1
    write_json(folder / "split.json", about["split"])
    write_json(folder / LINEAGE_FILE, about["lineage"] | extended_lineage(None, __file__))
    write_report(arguments.validation_report, report)
    counts = {"rows": report["rows"]} | {key: len(report[key]) for key in ("problems", "warnings")}
    tracked = about["tracked"]
    record(tracked["parameters"], counts | tracked["metrics"], [arguments.validation_report / "report.html"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
