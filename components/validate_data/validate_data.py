"""Reject data that the model must not learn from: report which column breaks which rule, how often, and where.

schema.yml alone decides what is valid, by the same rules as for requests later. Repairs nothing; valid data are
written as parquet, with the columns as schema.json next to it.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from column_problems import Problem, header_problems, value_problems, warnings
from csv_texts import UnreadableDataError, header_names, read_texts, require_text
from report_pages import write_report
from typed_columns import column_facts, typed_columns

from model_package.errors import SchemaError
from model_package.package import write_schema
from model_package.provenance import write_lineage
from model_package.schema import Schema
from model_package.schema_file import read_schema_file
from model_package.steps.tracking import record

ROWS_FILE = "rows.parquet"
_MEASURES = {"minimum": "min", "median": "median", "mean": "mean", "maximum": "max"}

EXAMPLE = (
    "example: python components/validate_data/validate_data.py --data sample.csv --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


def repeated_rows(rows: pl.DataFrame, schema: Schema) -> int:
    """Return how many rows equal another one in everything except the id."""
    return rows.height - rows.select(pl.exclude(schema.identifier)).n_unique()


def summary(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Describe each column: minimum, median, mean, maximum of numbers, distinct values, missing."""
    return [
        {"column": each.name}
        | {name: getattr(each, measure)() if each.dtype.is_numeric() else None for name, measure in _MEASURES.items()}
        | {"distinct": each.n_unique(), "missing": each.null_count()}
        for each in rows.get_columns()
    ]


def build_report(file: Path, schema: Schema) -> tuple[dict[str, Any], pl.DataFrame | None]:
    """Check a file. Returns the report, and the typed rows if the file may be used."""
    report: dict[str, Any] = {"file": file.name, "valid": False, "rows": 0, "warnings": [], "columns": []}
    try:
        require_text(file)
        # Before the rows, which cannot be read where the header already says why.
        wrong = header_problems(header_names(file), schema)
        texts = read_texts(file) if not wrong else pl.DataFrame()
    except UnreadableDataError as error:
        return report | {"problems": [asdict(Problem("file", str(error), 1, []))]}, None
    if wrong:
        return report | {"problems": [asdict(problem) for problem in wrong]}, None
    report["rows"] = texts.height
    texts = texts.with_columns(pl.all().replace("", None))
    columns = typed_columns(texts, schema, column_facts(texts, schema))
    rows = pl.DataFrame([each.values for each in columns.values()])
    problems = value_problems(texts, columns, schema)
    report |= {
        "valid": not problems,
        "warnings": warnings(texts.columns, repeated_rows(rows, schema), schema),
        "columns": summary(rows),
        "problems": [asdict(problem) for problem in problems],
    }
    return report, None if problems else rows


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
    report, rows = build_report(arguments.data, schema)
    write_report(arguments.validation_report, report)
    counts = {"rows": report["rows"]} | {key: len(report[key]) for key in ("problems", "warnings")}
    record(metrics=counts, files=[arguments.validation_report / "report.html"])
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    if rows is None:
        print(f"{arguments.data} is rejected; correct the data and run again:", file=sys.stderr)
        for problem in report["problems"]:
            print(f"  {Problem(**problem).sentence()}", file=sys.stderr)
        return 1
    arguments.validated_data.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(arguments.validated_data / ROWS_FILE)
    write_schema(arguments.validated_data, schema)
    write_lineage(arguments.validated_data, None, __file__)
    print(f"{report['rows']:,} rows are valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
