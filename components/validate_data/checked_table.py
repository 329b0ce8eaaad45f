"""Checks a CSV file against a schema in batches of rows, and writes the typed rows: memory hardly grows with the file.

The file is read twice: for what only whole columns tell (ColumnFacts), and to write the typed rows. What else whole
columns tell, such as repeated ids, is read from the rows that were written.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from column_problems import REPEATED, Broken, ProblemTally, broken_rules, warnings
from csv_texts import count_texts, require_rows, text_batches
from polars.io.plugins import register_io_source
from typed_columns import ColumnFacts, fitting_task, merged_facts, needs_outcomes, typed_columns, unread_numbers
from written_rows import repeated_rows, repeated_values, summary

from model_package.schema import Schema


def checked_table(file: Path, header: list[str], schema: Schema, rows_file: Path, batch_rows: int) -> dict[str, Any]:
    """Write the typed rows, wrong values as null, and return what the file makes of the report.

    Raises UnreadableDataError for a file without rows, and for one whose rows do not fit its header.
    """
    facts = _column_facts(file, schema, batch_rows)
    tally = _write_typed(file, schema, facts, rows_file, batch_rows)
    if schema.identifier:
        _tally_repeated(tally, file, schema.identifier, rows_file, batch_rows)
    broken = tally.wrong_types(schema.target)
    problems = tally.problems(fitting_task(count_texts(file, schema.target), broken, schema) if broken else "")
    return {
        "valid": not problems,
        "rows": pl.scan_parquet(rows_file).select(pl.len()).collect().item(),
        "warnings": warnings(header, repeated_rows(rows_file, schema.identifier), schema),
        "columns": summary(rows_file),
        "problems": [asdict(problem) for problem in problems],
    }


def _column_facts(file: Path, schema: Schema, batch_rows: int) -> ColumnFacts:
    names = (schema.identifier, schema.time, schema.group, schema.target)
    wanted = list(dict.fromkeys(name for name in names if name))
    counted = [unread_numbers(texts, schema) for texts in text_batches(file, wanted, batch_rows)]
    require_rows(file, sum(part[""] for part in counted))
    outcomes = pl.DataFrame(schema={"text": pl.String, "rows": pl.Int64})
    return merged_facts(counted, count_texts(file, schema.target) if needs_outcomes(schema) else outcomes, schema)


def _write_typed(file: Path, schema: Schema, facts: ColumnFacts, rows_file: Path, batch_rows: int) -> ProblemTally:
    tally = ProblemTally(schema)

    def batches(*_: object) -> Iterator[pl.DataFrame]:
        first = 0
        # Every column is read, so that rows that are longer than the header are refused.
        for batch in text_batches(file, None, batch_rows):
            texts = batch.select(schema.columns)
            columns = typed_columns(texts, schema, facts)
            for broken in broken_rules(texts, columns, schema):
                tally.add(broken, texts, first)
            first += texts.height
            yield pl.DataFrame([each.values for each in columns.values()])

    empty = typed_columns(pl.DataFrame(schema=dict.fromkeys(schema.columns, pl.String)), schema, facts)
    types = {name: each.values.dtype for name, each in empty.items()}
    register_io_source(batches, schema=types).sink_parquet(rows_file, maintain_order=True)
    return tally


def _tally_repeated(tally: ProblemTally, file: Path, identifier: str, rows_file: Path, batch_rows: int) -> None:
    repeated = repeated_values(rows_file, identifier)
    if not repeated.any():
        return
    first = 0
    for texts in text_batches(file, [identifier], batch_rows):
        mask = repeated.slice(first, texts.height)
        tally.add(Broken((REPEATED, 0, 0), identifier, "must not repeat", mask), texts, first)
        first += texts.height
