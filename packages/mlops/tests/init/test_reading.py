"""Tables in any usual form are read alike; what is no table is refused with what is wrong and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import DIALECTS, Dialect, text

from mlops.core.errors import InputError
from mlops.init.reading import read_table

NAMES = {"Größe (m²)": ["1", "2"], "first.name": ["Zoë, née Ünal", 'the "one"'], "a b": ["x\ny", ""]}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_csv_is_read_in_any_dialect(name: str, tmp_path: Path) -> None:
    file = DIALECTS[name].write({"Größe": ["1", "2"], "first.name": ["Zoë; née, Ünal", "x"]}, tmp_path / "a.csv")

    source = read_table(file)

    assert source.texts.to_dict(as_series=False) == {"Größe": ["1", "2"], "first.name": ["Zoë; née, Ünal", "x"]}


@pytest.mark.parametrize(
    ("dialect", "form"),
    [
        (Dialect(), "CSV with commas, UTF-8, LF"),
        (Dialect(";", "utf-8-sig", "\r\n"), "CSV with semicolons, UTF-8 with a byte order mark, CRLF"),
        (Dialect("\t", "utf-16"), "CSV with tabs, UTF-16, LF"),
        (Dialect("|", "cp1252"), "CSV with vertical bars, Windows-1252, LF"),
        (Dialect(",", "utf-8", "\r"), "CSV with commas, UTF-8, CR"),
    ],
)
def test_the_form_is_named(dialect: Dialect, form: str, tmp_path: Path) -> None:
    file = dialect.write({"straße": ["ä", "ö"], "n": ["1", "2"]}, tmp_path / "a.csv")

    assert read_table(file).form == form


def test_quoted_values_keep_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    source = read_table(Dialect().write(NAMES, tmp_path / "a.csv"))

    assert source.texts.to_dict(as_series=False) == NAMES


def test_quotes_within_a_value_are_kept(tmp_path: Path) -> None:
    source = read_table(text(tmp_path / "a.csv", 'a,b\n5" pipe,1\n6" pipe,2\n'))

    assert source.texts.to_dict(as_series=False) == {"a": ['5" pipe', '6" pipe'], "b": ["1", "2"]}


def test_short_lines_are_found_where_the_last_column_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="first line 11"):
        read_table(text(tmp_path / "a.csv", "a,b\n" + "1,\n" * 9 + "2\n"))


def test_a_quote_in_a_name_becomes_an_apostrophe_and_its_blanks_go(tmp_path: Path) -> None:
    source = read_table(text(tmp_path / "a.csv", '" size 5"" ",b\n1,2\n3,4\n'))

    assert source.texts.columns == ["size 5'", "b"]


def test_a_column_without_a_name_is_numbered(tmp_path: Path) -> None:
    source = read_table(text(tmp_path / "a.csv", ",b\n0,2\n1,4\n"))

    assert source.texts.columns == ["column_1", "b"]
    assert source.unnamed == ("column_1",)


@pytest.mark.parametrize("content", ["a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n", "a,b\n\n1,2\n\n3,4\n\n"])
def test_separators_at_the_end_and_blank_lines_are_no_values(content: str, tmp_path: Path) -> None:
    source = read_table(text(tmp_path / "a.csv", content))

    assert source.texts.to_dict(as_series=False) == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize(
    ("content", "message", "advice"),
    [
        (b"", "is empty", "header and rows"),
        (b" \n\n", "is empty", "header and rows"),
        (b"a,b,c\n", "has a header but no rows", "Give a file with data"),
        (b"just some words\nand more\n", "is not a table: it seems to be a text", "separated by commas"),
        (b"a\n1\n2\n", "is not a table", "separated by commas"),
        (b"Dear all,\nhere is what you asked for\nBest\n", "is not a table", "separated by commas"),
        (b"a,b,a,c,b,a\n1,2,3,4,5,6\n", "'a' (3 times), 'b' (2 times)", "Rename or remove"),
        (b"PK\x03\x04\x14\x00" + bytes(99), "is a damaged zip archive or Excel workbook", "Download or write it again"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "is compressed with gzip", "Unpack it"),
        (b"%PDF-1.7\n...", "is a PDF document", "Give the file with the rows"),
        (b"<!DOCTYPE html>\n<html></html>", "is an HTML page", "not the page"),
        (b'[{"a": 1}]', "is a JSON file", "Export its rows as CSV"),
        (b'{"rows": []}', "is a JSON file", "Export its rows as CSV"),
        (b"# A readme\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nWords, and more.\n", "a Markdown document", "separated by"),
        (b"a~b\n1~2\n", "seem to be separated by '~'", "Export it with commas"),
        (b"a b\n1 2\n", "seem to be separated by blanks", "Export it with commas"),
        (b"Dear all, here, now\nis what you asked for\nBest\n", "seems to be a text", "separated by commas"),
        (bytes(range(256)) * 20, "holds binary data", "Give a CSV file"),
        (b"PAR1" + bytes(40), "is a damaged parquet file", "download it again"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_what_is_no_table_is_refused(content: bytes, message: str, advice: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)

    with pytest.raises(InputError) as refused:
        read_table(file)

    assert message in refused.value.message
    assert advice in refused.value.advice


def test_ragged_lines_are_named_by_their_number_in_the_file(tmp_path: Path) -> None:
    content = 'a,b,c\n1,2,3\n1,"x\ny",3\n1,2\n1,2,3\n1,2,3,4\n'

    with pytest.raises(InputError) as refused:
        read_table(text(tmp_path / "a.csv", content))

    assert "has 3 columns, but 2 lines have another number of them, first line 5" in refused.value.message
    assert refused.value.details == ("line 5: 2 columns", "line 7: 4 columns")
    assert "double quotes" in refused.value.advice


def test_a_quote_that_is_never_closed_is_named(tmp_path: Path) -> None:
    content = 'a,b\n1,2\n1,"open\n' + "3,4\n" * 50

    with pytest.raises(InputError, match="a double quote in line 3 that is never closed"):
        read_table(text(tmp_path / "a.csv", content))


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.csv")


def test_lists_in_parquet_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [[1], [2]], "b": [1, 2]}).write_parquet(tmp_path / "a.parquet")

    with pytest.raises(InputError, match="lists or structures in 'a'"):
        read_table(tmp_path / "a.parquet")


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from(',;"\n\t|'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, st.integers(0, 99).map(str)), min_size=3, max_size=8),
    separator=st.sampled_from(",;\t|"),
)
def test_any_cells_survive(
    rows: list[tuple[str, str, str]], separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    columns = dict(zip(("a", "b", "n"), map(list, zip(*rows, strict=True)), strict=True))
    file = tmp_path_factory.mktemp("cells") / "a.csv"

    source = read_table(Dialect(separator=separator).write(columns, file))

    assert source.texts.to_dict(as_series=False) == columns
