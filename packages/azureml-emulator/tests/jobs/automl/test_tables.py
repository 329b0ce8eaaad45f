"""MLTable folders as AutoML reads them, and how columns become features. Needs no FLAML."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from azureml_emulator.jobs.automl.features import choose_features, prepare
from azureml_emulator.jobs.automl.tables import TableError, read_table


def written(folder: Path, description: str, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "MLTable").write_text(description)
    return folder


def test_files_delimiters_types_and_columns_are_read(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        "paths:\n  - pattern: ./*.csv\n"
        "transformations:\n"
        "  - read_delimited: {delimiter: ';', encoding: utf8, header: all_files_same_headers}\n"
        "  - convert_column_types:\n"
        "      - {columns: [code], column_type: string}\n"
        "      - {columns: day, column_type: {datetime: {formats: ['%Y-%m-%d']}}}\n"
        "  - drop_columns: [extra]\n",
        a="code;day;x;extra\n1;2026-01-02;;9\n",
        b="code;day;x;extra\n2;2026-01-03;0.5;9\n",
    )

    table = read_table(folder)

    assert list(table.columns) == ["code", "day", "x"]
    assert table["code"].tolist() == ["1", "2"]
    assert table["day"].dt.day.tolist() == [2, 3]
    assert table["x"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ("paths: [{file: ./a.csv}]\n", "The first transformation in MLTable must be one of read_delimited"),
        ("paths: [{file: ./no.csv}]\ntransformations: [read_delimited]\n", "names no files that exist"),
        (
            "paths: [{file: 'https://x/a.csv'}]\ntransformations: [read_delimited]\n",
            "the path 'https://x/a.csv' cannot be read",
        ),
        (
            "paths: [{file: ./a.csv}]\ntransformations: [read_delimited, {take: 5}]\n",
            "knows keep_columns, drop_columns, convert_column_types, not 'take'",
        ),
        (
            "paths: [{file: ./a.csv}]\ntransformations: [read_delimited, {keep_columns: b}]\n",
            "names the column 'b', which the data does not have",
        ),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, description: str, says: str) -> None:
    folder = written(tmp_path, description, a="a\n1\n")

    with pytest.raises(TableError, match=says):
        read_table(folder)


def test_a_folder_without_a_description_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="it has no file MLTable"):
        read_table(tmp_path)


def test_columns_become_numbers_categories_or_are_left_out_with_a_reason() -> None:
    rows = 300
    table = pd.DataFrame(
        {
            "y": [0, 1] * 150,
            "number": range(rows),
            "flag": [True, False, None] * 100,
            "kind": ["a", None, "b"] * 100,
            "reference": [f"r{number}" for number in range(rows)],
            "same": 1,
            "day": pd.date_range("2026-01-01", periods=rows),
        }
    )

    features = choose_features(table, {"y"}, {}, featurize=True)

    assert (features.numbers, features.categories) == (("number",), ("flag", "kind"))
    assert set(features.left_out) == {"reference", "same", "day"}
    prepared = prepare(table, features)
    assert prepared.dtypes.astype(str).to_dict() == {"number": "float64", "flag": "object", "kind": "object"}
    assert prepared.loc[0].tolist() == [0.0, "True", "a"]
    assert prepared["kind"].isna().sum() == 100


def test_without_featurization_only_numbers_and_chosen_columns_are_read() -> None:
    table = pd.DataFrame({"number": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"], "zip": [80331, 10115, 80331]})

    assert choose_features(table, set(), {}, featurize=False).names == ["number", "zip"]
    chosen = choose_features(table, set(), {"zip": "Categorical", "number": "Ignore"}, featurize=False)
    assert (chosen.numbers, chosen.categories) == ((), ("zip",))
    with pytest.raises(ValueError, match="No column is left to learn from: kind"):
        choose_features(table[["kind"]], set(), {}, featurize=False)
