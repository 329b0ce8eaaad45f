"""Reject data that the model must not learn from: report which column breaks which rule, how often, and where.

schema.yml alone decides what is valid, by the same rules as for requests later. Repairs nothing; valid data are
written as parquet, with the columns as schema.json next to it.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from checked_table import checked_table
from column_problems import Problem, header_problems
from csv_texts import BATCH_ROWS, UnreadableDataError, header_names, require_text
from report_pages import write_report

from model_package.errors import SchemaError
from model_package.package import write_schema
from model_package.provenance import write_lineage
from model_package.schema import Schema
from model_package.schema_file import read_schema_file
from model_package.steps.tracking import record

ROWS_FILE = "rows.parquet"

EXAMPLE = (
    "example: python components/validate_data/validate_data.py --data sample.csv --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


def build_report(file: Path, schema: Schema, rows_file: Path, batch_rows: int = BATCH_ROWS) -> dict[str, Any]:
    """Check a file, and write its typed rows to `rows_file` if it may be used. Returns the report."""
    is_new = not rows_file.parent.exists()
    report: dict[str, Any] = {"file": file.name, "valid": False, "rows": 0, "warnings": [], "columns": []}
    try:
        require_text(file)
        # Before the rows, which cannot be read where the header already says why.
        header = header_names(file)
        if wrong := header_problems(header, schema):
            return report | {"problems": [asdict(problem) for problem in wrong]}
        rows_file.parent.mkdir(parents=True, exist_ok=True)
        report |= checked_table(file, header, schema, rows_file, batch_rows)
    except UnreadableDataError as error:
        report["problems"] = [asdict(Problem("file", str(error), 1, []))]
    if not report["valid"]:
        rows_file.unlink(missing_ok=True)
        if is_new and rows_file.parent.exists():
            rows_file.parent.rmdir()
    return report


def main() -> int:
    """Validate a file; the exit code is 1 if it is rejected."""
    parser = argparse.ArgumentParser(description="Validate a data file against the schema.", epilog=EXAMPLE)
    parser.add_argument("--data", type=Path, required=True, help="CSV file to validate")
    parser.add_argument("--schema", type=Path, required=True, help="schema.yml, which defines the columns")
    parser.add_argument("--validated-data", type=Path, required=True, help="folder for the rows as parquet")
    parser.add_argument("--validation-report", type=Path, required=True, help="folder for the report")
    arguments = parser.parse_args()
    try:
        schema = read_schema_file(arguments.schema)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    report = build_report(arguments.data, schema, arguments.validated_data / ROWS_FILE)
    write_report(arguments.validation_report, report)
    counts = {"rows": report["rows"]} | {key: len(report[key]) for key in ("problems", "warnings")}
    record(metrics=counts, files=[arguments.validation_report / "report.html"])
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    if not report["valid"]:
        print(f"{arguments.data} is rejected; correct the data and run again:", file=sys.stderr)
        for problem in report["problems"]:
            print(f"  {Problem(**problem).sentence()}", file=sys.stderr)
        return 1
    write_schema(arguments.validated_data, schema)
    write_lineage(arguments.validated_data, None, __file__)
    print(f"{report['rows']:,} rows are valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
