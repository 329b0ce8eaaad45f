"""A table in any dialect, converted by the schema for training, holds what `mlops init` wrote for the same table."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from table_files import DIALECTS, Dialect, parquet

from mlops.core.errors import InputError
from mlops.init.columns import infer
from mlops.init.conversion import in_the_pipelines_form
from mlops.init.proposal import propose, schema_text
from mlops.init.reading import read_table
from mlops.settings.project import Project, load_project
from model_package.rows.tables import tensors
from model_package.schema_file import read_schema_file

ROOT = Path(__file__).parents[4]
ROWS = 240


def rows(target: str) -> dict[str, list[object]]:
    """A column of each kind, with missing values, and a target of one kind."""
    random = np.random.default_rng(4)
    start = datetime(2025, 3, 20, tzinfo=UTC)
    amounts: list[object] = [round(float(value), 2) for value in random.uniform(900, 90_000, ROWS)]
    amounts[3] = amounts[50] = None
    targets: dict[str, list[object]] = {
        "regression": [round(float(value), 1) for value in random.normal(5_000, 900, ROWS)],
        "yes or no": ["Yes" if value else "no" for value in random.integers(0, 2, ROWS)],
        "classes": [["low", "mid", "high"][value] for value in random.integers(0, 3, ROWS)],
    }
    outcome = targets[target]
    outcome[7] = None
    return {
        "amount": amounts,
        "visits": [int(value) for value in random.integers(0, 4_000, ROWS)],
        "member": ["Y" if value else "N" for value in random.integers(0, 2, ROWS)],
        "city name": [["Köln", "Paris", "Rom", None][value] for value in random.integers(0, 4, ROWS)],
        "since": [(start + timedelta(days=int(value))).strftime("%d.%m.%Y") for value in random.integers(0, 300, ROWS)],
        "share": ["inf" if row == 5 else f"{row % 97} %" for row in range(ROWS)],
        "created_at": [str(1_700_000_000 + 3_607 * row) for row in range(ROWS)],
        "outcome": outcome,
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "project.yml", folder)
    return load_project(folder)


def initialised(project: Project, file: Path) -> pl.DataFrame:
    """Write the schema that init proposes; the rows that it writes, as texts."""
    source = read_table(file)
    proposal = propose(source, infer(source), "outcome", None, None, None)
    (project.root / "schema.yml").write_text(schema_text(proposal))
    written = project.root / "written.csv"
    written.write_text(proposal.csv)
    return pl.read_csv(written, infer_schema=False)


@pytest.mark.parametrize("target", ["regression", "yes or no", "classes"])
@pytest.mark.parametrize("dialect", [*DIALECTS, "parquet"])
def test_the_converted_file_has_the_rows_that_init_wrote(
    project: Project, tmp_path: Path, dialect: str, target: str
) -> None:
    file = tmp_path / "table.csv"
    written = parquet if dialect == "parquet" else DIALECTS[dialect].write
    expected = initialised(project, written(rows(target), file))
    schema = read_schema_file(project.root / "schema.yml")

    converted = in_the_pipelines_form(project, file)
    found = pl.read_csv(converted.file, infer_schema=False)

    assert converted.changes
    assert len(found) == len(expected) == ROWS - 1
    np.testing.assert_array_equal(tensors(found, schema).features, tensors(expected, schema).features)
    assert found["outcome"].str.to_lowercase().to_list() == expected["outcome"].str.to_lowercase().to_list()


def test_a_file_in_the_pipelines_form_is_taken_as_it_is(project: Project, tmp_path: Path) -> None:
    initialised(project, Dialect().write(rows("classes"), tmp_path / "table.csv"))

    assert in_the_pipelines_form(project, project.root / "written.csv").file == project.root / "written.csv"


def test_what_cannot_be_read_stays_for_the_validation_to_name(project: Project, tmp_path: Path) -> None:
    table = rows("classes")
    initialised(project, Dialect().write(table, tmp_path / "table.csv"))
    table["visits"][5], table["visits"][6] = "many", " "

    converted = in_the_pipelines_form(project, Dialect().write(table, tmp_path / "next.csv"))

    assert pl.read_csv(converted.file, infer_schema=False)["visits"][5:7].to_list() == ["many", None]


def test_a_category_that_looks_like_a_missing_value_stays(project: Project, tmp_path: Path) -> None:
    table = rows("classes")
    file = Dialect().write(table, tmp_path / "table.csv")
    initialised(project, file)
    schema = project.root / "schema.yml"
    schema.write_text(schema.read_text().replace("Köln", "NA"))
    table["city name"][0] = "NA"

    converted = in_the_pipelines_form(project, Dialect().write(table, tmp_path / "next.csv"))

    assert pl.read_csv(converted.file, infer_schema=False)["city name"][0] == "NA"


def test_rows_without_any_target_are_refused(project: Project, tmp_path: Path) -> None:
    table = rows("classes")
    initialised(project, Dialect().write(table, tmp_path / "table.csv"))
    table["outcome"] = [None] * ROWS

    with pytest.raises(InputError, match=r"no row of .* has a value of the target outcome"):
        in_the_pipelines_form(project, Dialect().write(table, tmp_path / "next.csv"))


def test_a_table_of_another_model_is_refused_before_anything_starts(project: Project, tmp_path: Path) -> None:
    initialised(project, Dialect().write(rows("classes"), tmp_path / "table.csv"))

    with pytest.raises(
        InputError, match=r"not a table of this project's model: it lacks \d+ of the \d+ columns"
    ) as refused:
        in_the_pipelines_form(project, Dialect().write({"price": [1, 2], "size": [3, 4]}, tmp_path / "my table.csv"))

    assert "mlops init --data" in refused.value.advice
    assert "--target COLUMN" in refused.value.advice
