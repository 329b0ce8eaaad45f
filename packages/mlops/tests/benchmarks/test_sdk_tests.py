"""How the outcomes of the SDK's own tests are counted: nothing that did not pass is left out."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[4] / "benchmarks"
FILE = "tests/thing/e2etests/test_thing.py"


@pytest.fixture
def sdk_tests(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("sdk_tests.__main__")


@pytest.mark.parametrize(
    ("outcome", "column"),
    [
        ({"outcome": "passed", "ran": True}, "ran"),
        ({"outcome": "passed", "ran": False}, "stored"),
        ({"outcome": "skipped", "reason": "Skipped: later"}, "skipped"),
        ({"outcome": "began"}, "hung"),
        ({"outcome": "failed", "reason": "Failed: Timeout (>120.0s) from pytest-timeout."}, "hung"),
        ({"outcome": "failed", "reason": "No such file or directory: ./tests/test_configs/a.yml"}, "no file"),
        ({"outcome": "failed", "reason": "AssertionError"}, "failed"),
        ({"outcome": "not loaded", "reason": "ModuleNotFoundError"}, "not loaded"),
    ],
    ids=["ran", "stored", "skipped", "silent", "slow", "no-file", "failed", "not-loaded"],
)
def test_every_outcome_has_a_column(sdk_tests: ModuleType, outcome: dict[str, Any], column: str) -> None:
    assert sdk_tests.kind({"test": f"{FILE}::test_it", **outcome}) == column


def test_a_known_reason_counts_where_a_test_fails_only(sdk_tests: ModuleType) -> None:
    images = "tests/automl_job/e2etests/test_automl_image_segmentation.py::test_it"
    assert sdk_tests.kind({"test": images, "outcome": "failed", "reason": "MaxRetryError"}) == "elsewhere"
    assert sdk_tests.kind({"test": images, "outcome": "passed", "ran": True}) == "ran"


def test_the_last_outcome_of_each_test_is_counted_by_file(sdk_tests: ModuleType, tmp_path: Path) -> None:
    lines = [
        {"test": f"{FILE}::test_a", "outcome": "began"},
        {"test": f"{FILE}::test_a", "outcome": "passed", "ran": False},
        {"test": f"{FILE}::test_b", "outcome": "began"},
    ]
    results = tmp_path / "results.jsonl"
    results.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    outcomes = sdk_tests.read(results)
    row = f"| {FILE} |  | 1 |  |  | 1 |  |  |  |  |"
    assert sdk_tests.table(outcomes).splitlines()[2] == row
    assert sdk_tests.reasons(outcomes) == [f"hung: {FILE}::test_b: "]
