"""Make one table of the rows that validate_data_spark has accepted, with the outputs of validate_data.

Spark writes folders of tables, and no single files. The steps that follow run on one machine and read one table beside
schema.json, so this step ends what Spark began. Spark keeps no order of rows; the split does not depend on it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
from validate_data import ROWS_FILE, summary, warnings, write_report

from model_package.documents import write_json
from model_package.package import write_schema
from model_package.provenance import LINEAGE_FILE, extended_lineage
from model_package.schema import Schema
from model_package.schema_file import read_schema_file
from model_package.steps.tracking import record

EXAMPLE = (
    "example: python components/gather_rows/gather_rows.py --rows out/rows --report out/report --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


def completed(found: dict[str, Any], rows: pl.DataFrame, schema: Schema) -> dict[str, Any]:
    """Return the report of Spark with what is measured of the typed rows."""
    return {
        "file": found["file"],
        "valid": True,
        "rows": rows.height,
        "warnings": warnings(found["header"], rows, schema),
        "columns": summary(rows),
        "problems": [],
    }


def main() -> int:
    """Write the table and the report; the exit code is 1 if rows are missing."""
    parser = argparse.ArgumentParser(description="Make one table of the rows that Spark accepted.", epilog=EXAMPLE)
    parser.add_argument("--rows", type=Path, required=True, help="folder of the rows as parquet")
    parser.add_argument("--report", type=Path, required=True, help="folder of the report of validate_data_spark")
    parser.add_argument("--schema", type=Path, required=True, help="schema.yml, which defines the columns")
    parser.add_argument("--validated-data", type=Path, required=True, help="folder for the rows as parquet")
    parser.add_argument("--validation-report", type=Path, required=True, help="folder for the report")
    arguments = parser.parse_args()
    schema = read_schema_file(arguments.schema)
    (line,) = "".join(file.read_text(encoding="utf-8") for file in arguments.report.glob("*.txt")).splitlines()
    found = json.loads(line)
    rows = pl.scan_parquet(arguments.rows / "*.parquet").collect()
    if rows.height != found["rows"]:
        print(f"{arguments.rows} has {rows.height:,} rows, not {found['rows']:,}: run the step before again")
        return 1
    report = completed(found, rows, schema)
    write_report(arguments.validation_report, report)
    counts = {"rows": report["rows"], "problems": 0, "warnings": len(report["warnings"])}
    record(metrics=counts, files=[arguments.validation_report / "report.html"])
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    arguments.validated_data.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(arguments.validated_data / ROWS_FILE)
    write_schema(arguments.validated_data, schema)
    lineage = found["lineage"] | extended_lineage(None, __file__)
    write_json(arguments.validated_data / LINEAGE_FILE, lineage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
