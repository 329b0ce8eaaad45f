"""The copies of model_package that ship with steps and endpoints: written from the installed one, and held to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import model_package
from mlops.checks.copies import check_copies, write_copies
from mlops.checks.fingerprints import content_digest

ROOT = Path(__file__).parents[4]
INSTALLED = Path(model_package.__file__).parent
STEPS, ONLINE = "components/model_package", "endpoints/online/model_package"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A step and a scoring script that import the package, and a batch script that does not."""
    for name, text in {
        "components/train/train.py": "from model_package.package import read_schema\n",
        "endpoints/online/score.py": "import model_package.runtime\n",
        "endpoints/batch/score_batch.py": "# from model_package nothing\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return tmp_path


@pytest.fixture
def copied(project: Path) -> Path:
    assert len(list(write_copies(project))) == 2
    return project


def test_a_missing_copy_is_one_problem_and_only_where_it_is_imported(project: Path) -> None:
    found = {problem.file: problem.message for problem in check_copies(project)}

    assert set(found) == {STEPS, ONLINE}
    assert all("there is no copy of model_package" in message for message in found.values())


def test_what_was_written_is_right_and_is_not_written_again(copied: Path) -> None:
    assert list(check_copies(copied)) == []
    assert list(write_copies(copied)) == []
    assert not (copied / "endpoints" / "batch" / "model_package").exists()
    assert content_digest([("", copied / STEPS)]) == content_digest([("", INSTALLED)])


def test_an_endpoint_ships_without_what_only_steps_need(copied: Path) -> None:
    shipped = {path.name for path in (copied / ONLINE).iterdir()}

    assert {"package.py", "runtime.py", "rows", "schema.py"} <= shipped
    assert not {"monitoring", "reports", "steps", "collected", "schema_file.py"} & shipped


@pytest.mark.parametrize(
    ("change", "file", "says"),
    [
        (
            lambda file: file.write_text(file.read_text() + "# mine\n"),
            "schema.py",
            "this file differs from the installed",
        ),
        (lambda file: file.unlink(), "rows/rules.py", "lacks this file"),
        (lambda file: file.write_text("mine\n"), "mine.py", "has no such file"),
    ],
    ids=["edited", "removed", "added"],
)
def test_a_copy_that_differs_is_named_by_file_and_repaired(
    copied: Path, change: Callable[[Path], object], file: str, says: str
) -> None:
    change(copied / ONLINE / file)

    (problem,) = check_copies(copied)

    assert (problem.file, problem.advice) == (f"{ONLINE}/{file}", "run: mlops check --fix")
    assert says in problem.message
    assert list(write_copies(copied)) == [
        f"{ONLINE}: copied from the installed model_package {model_package.__version__}"
    ]
    assert list(check_copies(copied)) == []


def test_line_endings_and_bytecode_do_not_count(copied: Path) -> None:
    file = copied / STEPS / "schema.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    cache = copied / STEPS / "__pycache__"
    cache.mkdir()
    (cache / "schema.cpython-311.pyc").write_bytes(b"bytecode")

    assert list(check_copies(copied)) == []


def test_the_repositorys_own_copies_are_right() -> None:
    assert list(check_copies(ROOT)) == []
