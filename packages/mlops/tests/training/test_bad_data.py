import re
from pathlib import Path

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
    [(b"", "is empty"), (b"PAR1\0\1" * 9, "binary"), (b"\n1,2\n", "no header")],
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
        ("# A readme\n\nwith words\n", "has none of the columns of schema.yml; its first line is: # A readme"),
        ("ID;LIMIT_BAL;default\n1;20000,50;1\n", "are separated by semicolons"),
        ("ID\tLIMIT_BAL\n1\t2\n", "are separated by tabs"),
    ],
    ids=["readme", "semicolons", "tabs"],
)
def test_a_header_of_something_else_is_refused_before_anything_is_asked(
    client: MLClient, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "data.csv"
    file.write_text(text)

    with pytest.raises(InputError, match=re.escape(says)):
        training_order(client, load_project(ROOT), file)


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
