import gzip
import io
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
from azure.ai.ml import MLClient

from mlops.azure.workspace import connect
from mlops.core.errors import InputError
from mlops.models.data_asset import ensure_data, require_columns
from mlops.settings.project import load_project
from mlops.training.following import read_warnings, telling_lines
from mlops.training.submission import training_order

ROOT = Path(__file__).parents[4]
LOG = [
    "# Step 'validate_data' of the job j.",
    "# Output 'rows': /state/blobs/rows",
    "$ python validate_data.py --data /state/blobs/LocalUpload/0f3a/spoiled.csv",
    "",
    "/state/blobs/LocalUpload/0f3a/spoiled.csv is rejected; correct the data and run again:",
    "  AGE: the value is missing",
]


@pytest.fixture(scope="module")
def client() -> MLClient:
    """A client that must not be needed: nothing answers it."""
    return connect(load_project(ROOT).settings.stage("dev"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"\0\1\2\3" * 9, "binary"), (b"\n1,2\n", "no header")],
    ids=["empty", "binary", "no header"],
)
def test_file_that_cannot_be_data_is_refused_before_anything_is_asked(
    client: MLClient, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "data.csv"
    file.write_bytes(content)

    with pytest.raises(InputError, match=says):
        ensure_data(client, "rows", file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# A readme\n\nwith words\n", "is not a table: it seems to be a Markdown document, with none of the columns"),
        ("Exported today\n\nID,LIMIT_BAL\n1,2\n", "has its header in line 3"),
        ("1,20000,2\n2,30000,1\n", "has no header: its first line is 1,20000,2"),
        ("price,area\n1,2\n", "has none of the columns of schema.yml; its first line is: price,area"),
        ("ID~LIMIT_BAL\n1~2\n", "seem to be separated by '~'"),
        ("ID;LIMIT_BAL;default\n1;20000,50;1\n", "are separated by semicolons"),
        ("ID\tLIMIT_BAL\n1\t2\n", "are separated by tabs"),
    ],
    ids=["readme", "title", "no header", "other columns", "tildes", "semicolons", "tabs"],
)
def test_a_header_of_something_else_is_refused_before_anything_is_asked(
    client: MLClient, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "data.csv"
    file.write_text(text)

    with pytest.raises(InputError, match=re.escape(says)):
        training_order(client, load_project(ROOT), file)


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says", "advice"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "is a JPEG image", "Give the file with the rows"),
        ("a.csv", b"%PDF-1.7\n%\xe2\xe3\n", "is a PDF document", "Give the file with the rows"),
        ("a.xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), "is an Excel workbook", "Save the sheet"),
        ("a.zip", zipped("rows.csv"), "is a zip archive", "Unpack it"),
        ("a.csv", zipped("word/document.xml"), "is a Word document", "Give the file with the rows"),
        ("a.csv", gzip.compress(b"ID\n"), "is compressed with gzip", "gunzip "),
        ("a.json", b'[{"ID": 1}]', "is a JSON file", "Export its rows as CSV"),
        ("a.ipynb", b'{\n "cells": []}', "is a Jupyter notebook", "Give the file with the rows"),
        ("a.csv", b"<!-- saved from url=(0014) -->\n<html>\n", "is an HTML page", "Download the data file itself"),
        ("a.csv", b"From: <Saved by Blink>\n", "is a saved web page", "Download the data file itself"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer", "git lfs pull"),
        ("a.csv", "ID,LIMIT_BAL\n1,2\n".encode("utf-16"), "is text in UTF-16", "iconv -f utf-16 -t utf-8"),
        ("a.csv", "ID,LIMIT_BAL\n1,2\n".encode("utf-16-le"), "is text in UTF-16", "iconv -f utf-16-le -t utf-8"),
        ("a.csv", "ID,gr\u00f6\u00dfe\n1,2\n".encode("cp1252"), "is not text in UTF-8", "iconv -f cp1252 -t utf-8"),
        ("a.parquet", b"ID,LIMIT_BAL\n1,\0", "holds binary data", "Export it"),
        ("a.csv", b" \n\n", "is empty", "Give a file with a header"),
    ],
)
def test_what_is_no_table_is_named_with_what_to_do(
    client: MLClient, tmp_path: Path, name: str, content: bytes, says: str, advice: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    with pytest.raises(InputError) as refused:
        training_order(client, load_project(ROOT), file)

    assert says in refused.value.message
    assert advice in refused.value.advice


def test_advice_for_another_format_of_tables_works(
    client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"ID": [1, 2]}).write_parquet("rows-of-2024.csv")

    with pytest.raises(InputError, match="is a parquet file") as refused:
        ensure_data(client, "rows", Path("rows-of-2024.csv"))
    exec(refused.value.advice.split('"')[1])  # noqa: S102

    assert Path("rows.csv").read_text() == "ID\n1\n2\n"


def test_a_folder_is_refused_with_the_tables_in_it(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()

    with pytest.raises(InputError) as refused:
        ensure_data(client, "rows", tmp_path)

    assert refused.value.advice == f"Give one file to --data, such as {tmp_path / 'b.csv'}."


def test_words_that_begin_like_other_formats_may_be_in_a_header(tmp_path: Path) -> None:
    for name in ("ORC", "PAR1", "RIFF", "BZh"):
        file = tmp_path / "a.csv"
        file.write_text(f"{name},ID\n1,2\n")

        require_columns(file, ["ID"])


def test_a_header_with_some_of_the_columns_is_left_to_the_step(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text('\ufeff"ID",other\n1,2\n')

    require_columns(file, ["ID", "LIMIT_BAL"])


def test_folder_is_refused(client: MLClient, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        ensure_data(client, "rows", tmp_path)


def test_log_leads_with_what_the_step_said_about_the_file_that_was_given() -> None:
    assert telling_lines(LOG, Path("mine/spoiled.csv")) == [
        "mine/spoiled.csv is rejected; correct the data and run again:",
        "  AGE: the value is missing",
    ]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [('{"warnings": ["a column is left out"]}', ("a column is left out",)), ("[]", ()), ("no JSON", ())],
    ids=["warnings", "another shape", "no JSON"],
)
def test_warnings_of_a_report_are_read_and_other_files_have_none(
    tmp_path: Path, text: str, warnings: tuple[str, ...]
) -> None:
    report = tmp_path / "report.json"
    report.write_text(text)

    assert read_warnings(report) == warnings
