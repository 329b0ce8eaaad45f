"""Reject data that the model must not learn from: report which column breaks which rule, how often, and where.

schema.yml alone decides what is valid, by the same rules as for requests later. Repairs nothing; valid data are
written as parquet, with the columns as schema.json next to it.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from typed_columns import TypedColumn, typed_columns

from model_package.documents import write_json
from model_package.errors import SchemaError
from model_package.package import write_schema
from model_package.provenance import write_lineage
from model_package.reports.pages import Fact, write_page
from model_package.rows.rules import FeatureRules
from model_package.rows.tables import column
from model_package.schema import Schema
from model_package.schema_file import read_schema_file
from model_package.steps.run import job_facts
from model_package.steps.tracking import record

ROWS_FILE = "rows.parquet"
SAMPLE_ROWS = 5
SAMPLE_CHARACTERS = 60
SHOWN_NAMES = 8
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MEASURES = {"minimum": "min", "median": "median", "mean": "mean", "maximum": "max"}
# The header is line 1 of the file.
_FIRST_LINE = 2

EXAMPLE = (
    "example: python components/validate_data/validate_data.py --data sample.csv --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


class UnreadableDataError(Exception):
    """The file cannot be read as a CSV with rows at all."""


@dataclass(frozen=True)
class Problem:
    """One rule that one column breaks. A row is a line number of the file, in which the header is line 1."""

    column: str
    rule: str
    count: int
    samples: list[dict[str, Any]]

    def sentence(self) -> str:
        """Return the problem as one line."""
        if not self.samples:
            return f"{self.column}: {self.rule}"
        shown = "; ".join(", ".join(f"{key} {value}" for key, value in row.items()) for row in self.samples)
        return f"{self.column}: {self.rule} (rows that break it: {self.count:,}; for example {shown})"


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


def header_problems(header: list[str], schema: Schema) -> list[Problem]:
    """Find missing and duplicate columns."""
    for separator, word in OTHER_SEPARATORS.items():
        parts = [part.strip(' "') for part in separator.join(header).split(separator)]
        if len(header) <= 1 and set(parts) & set(schema.columns):
            rule = f"the columns are separated by {word}; export the file with commas, and decimals with points"
            return [Problem("file", rule, 1, [])]
    more = f" and {len(header) - SHOWN_NAMES} more" if len(header) > SHOWN_NAMES else ""
    found = ", ".join(name[:SAMPLE_CHARACTERS] for name in header[:SHOWN_NAMES])
    rule = f"the column is missing; the file's header has {found}{more}"
    by_case = {name.casefold().strip(): name for name in header}
    close = {name: by_case[name.casefold()] for name in schema.columns if name.casefold() in by_case}
    missing = [
        Problem(name, f"the column is missing; is {close[name]!r} meant?" if name in close else rule, 1, [])
        for name in schema.columns
        if name not in header
    ]
    twice = [name for name, times in Counter(header).items() if times > 1]
    again = "the column is in the header more than once; keep one of them"
    return missing + [Problem(name, again, header.count(name), []) for name in twice]


def value_problems(texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema) -> list[Problem]:
    """Find values that are missing, of another type, repeated, unknown or out of range.

    Values of a wrong type are null by now: only values without text count as missing.
    """
    wrong = [(name, rule, mask) for name, each in columns.items() for rule, mask in each.broken]
    wrong += [(name, "is missing", texts[name].is_null()) for name, each in columns.items() if not each.nullable]
    if schema.identifier:
        identifiers = columns[schema.identifier].values
        repeated = identifiers.is_duplicated() & identifiers.is_not_null()
        wrong.append((schema.identifier, "must not repeat", repeated))
    for feature in schema.features:
        if feature.is_number:
            values = column(pl.DataFrame([columns[feature.name].values]), feature.name)
            rules = FeatureRules.of(feature).broken_rules(values)
            wrong += [(feature.name, rule, pl.Series(mask)) for rule, mask in rules]
    return [
        Problem(name, f"the value {rule}", len(rows), _samples(texts, name, rows, schema))
        for name, rule, mask in wrong
        if len(rows := mask.arg_true())
    ]


def _samples(texts: pl.DataFrame, name: str, wrong: pl.Series, schema: Schema) -> list[dict[str, Any]]:
    rows = []
    for index in wrong.head(SAMPLE_ROWS).to_list():
        value = texts[name][index]
        shown = "missing" if value is None else repr(value[:SAMPLE_CHARACTERS])
        identity = {schema.identifier: texts[schema.identifier][index]} if schema.identifier else {}
        rows.append({"line": index + _FIRST_LINE, **identity, "value": shown})
    return rows


def warnings(texts: pl.DataFrame, rows: pl.DataFrame, schema: Schema) -> list[str]:
    """Find what deserves attention but is no reason to reject the file."""
    found = []
    foreign = [
        name or f"column {number}, which has no name"
        for number, name in enumerate(texts.columns, start=1)
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
    columns = typed_columns(texts, schema)
    rows = pl.DataFrame([each.values for each in columns.values()])
    problems = value_problems(texts, columns, schema)
    report |= {
        "valid": not problems,
        "warnings": warnings(texts, rows, schema),
        "columns": summary(rows),
        "problems": [asdict(problem) for problem in problems],
    }
    return report, None if problems else rows


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write report.json and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report)
    facts = [Fact("data", report["file"]), *job_facts(os.environ)]
    write_page(folder / "report.html", Path(__file__).with_name("report.html.j2"), {"report": report}, facts)


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
