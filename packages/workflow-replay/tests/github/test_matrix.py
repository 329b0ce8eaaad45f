"""Matrices: the examples of GitHub's documentation."""

from typing import Any

import pytest

from workflow_replay.github.matrix import MatrixError, combinations, label


def test_the_documented_example_of_include() -> None:
    matrix = {
        "fruit": ["apple", "pear"],
        "animal": ["cat", "dog"],
        "include": [
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    }

    assert combinations(matrix) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_precedes_include_and_may_be_partial() -> None:
    matrix = {
        "os": ["windows", "macos"],
        "version": [12.0, 14.0],
        "exclude": [{"os": "macos"}],
        "include": [{"os": "macos", "version": 16.0}],
    }

    assert combinations(matrix) == [
        {"os": "windows", "version": 12.0},
        {"os": "windows", "version": 14.0},
        {"os": "macos", "version": 16.0},
    ]


def test_include_alone_creates_combinations() -> None:
    assert combinations({"include": [{"a": 1.0}, {"a": 2.0}]}) == [{"a": 1.0}, {"a": 2.0}]


def test_the_label_has_all_values_in_order() -> None:
    assert label({"os": {"name": "linux", "tags": ["a", "b"]}, "n": 2.0, "flag": True}) == "linux, a, b, 2, true"


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        ("text", "must be a mapping of lists"),
        ({"os": []}, "must be a list with at least one value"),
        ({"os": "linux"}, "must be a list"),
        ({"os": ["a"], "exclude": [{"os": "a"}]}, "no combinations"),
        ({"a": [float(n) for n in range(17)], "b": [float(n) for n in range(17)]}, "has 289 jobs; the maximum is 256"),
        ({"os": ["a"], "include": ["b"]}, "matrix.include must be a list of mappings"),
    ],
)
def test_invalid_matrices_are_rejected(matrix: Any, reason: str) -> None:
    with pytest.raises(MatrixError, match=reason):
        combinations(matrix)
