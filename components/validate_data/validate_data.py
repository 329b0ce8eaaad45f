"""Reject data that the model must not learn from: report which column breaks which rule, how often, and where.

schema.yml alone decides what is valid, by the same rules as for requests later. Repairs nothing; valid data are
written as parquet, with the columns as schema.json next to it.
"""

import argparse
import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from column_problems import Problem, header_problems, value_problems
from typed_columns import column_facts, typed_columns

from model_package.documents import write_json
from model_package.errors import SchemaError
from model_package.package import write_schema
from model_package.provenance import write_lineage
from model_package.reports.pages import write_page
from model_package.schema import Schema
from model_package.schema_file import read_schema_file
from model_package.steps.tracking import record

ROWS_FILE = "rows.parquet"
_MEASURES = {"minimum": "min", "median": "median", "mean": "mean", "maximum": "max"}

EXAMPLE = (
    "example: python components/validate_data/validate_data.py --data sample.csv --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


class UnreadableDataError(Exception):
    """The file cannot be read as a CSV with rows at all."""


def require_text(file: Path) -> None:
    """Raise UnreadableDataError for a file that is missing, empty, or no text in UTF-8."""
    if not file.is_file():
        raise UnreadableDataError(f"{file} does not exist; give the path of a CSV file")
    if file.stat().st_size == 0:
        raise UnreadableDataError(f"{file} is empty; give a CSV file with a header and rows")
    with file.open("rb") as stream:
        if b"\0" in stream.read(4096):
            reason = "it holds binary data; export it as UTF-8 text"
            raise UnreadableDataError(f"{file} is not a CSV file: {reason}")
        stream.seek(0)
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"line {number} is not UTF-8 text; export the file as UTF-8"
                raise UnreadableDataError(f"{file} is not a readable CSV file: {reason}") from error


def read_texts(file: Path) -> pl.DataFrame:
    """Read a CSV with every value as text, so that a wrong type is found and not hidden by type inference.

    Raises UnreadableDataError for a file without rows, and for one whose rows do not fit its header.
    """
    try:
        frame = pl.scan_csv(file, infer_schema=False).collect()
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise UnreadableDataError(f"{file} is not a readable CSV file: {_ragged(file)}") from error
    if frame.height == 0:
        raise UnreadableDataError(f"{file} has a header but no rows; give a file with data")
    return frame


def _ragged(file: Path) -> str:
    """Return which line does not fit the header, which the library that reads the rows does not say."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        columns = len(next(rows, []))
        try:
            for row in rows:
                if len(row) > columns:
                    values = f"line {rows.line_num} has {len(row)} values, and the header {columns} columns"
                    return f"{values}; put a value with a comma in quotes"
        except csv.Error as error:
            return f"line {rows.line_num}: {error}; export the file again"
    return "a quote is opened and never closed, or follows a value; export the file again"


def header_names(file: Path) -> list[str]:
    """Return the header as written; the reader of the rows would rename duplicates."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return next(csv.reader(stream), [])


def warnings(header: list[str], rows: pl.DataFrame, schema: Schema) -> list[str]:
    """Find what deserves attention but is no reason to reject the file."""
    found = []
    foreign = [
        name or f"column {number}, which has no name"
        for number, name in enumerate(header, start=1)
        if name not in (*schema.columns, *schema.ignored)
    ]
    if foreign:
        names = ", ".join(foreign)
        found.append(
            f"columns that are not in the schema are dropped: {names}; if that is meant, list them under `ignore`"
        )
    repeated = rows.height - rows.select(pl.exclude(schema.identifier)).n_unique()
    if repeated:
        except_id = f" in everything except {schema.identifier}" if schema.identifier else ""
        rows_equal = "1 row equals" if repeated == 1 else f"{repeated:,} rows equal"
        found.append(f"{rows_equal} another row{except_id}")
    return found


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
        "warnings": warnings(texts.columns, rows, schema),
        "columns": summary(rows),
        "problems": [asdict(problem) for problem in problems],
    }
    return report, None if problems else rows


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write report.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report)
    write_page(folder / "report.html", Path(__file__).with_name("report.html.j2"), {"report": report})


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
