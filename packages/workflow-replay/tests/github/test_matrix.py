"""Matrices, by the examples of GitHub's documentation."""

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


def test_exclude_comes_before_include_and_may_name_less_than_all() -> None:
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


def test_include_alone_makes_combinations() -> None:
    assert combinations({"include": [{"a": 1.0}, {"a": 2.0}]}) == [{"a": 1.0}, {"a": 2.0}]


def test_the_label_shows_values_in_order_also_of_objects() -> None:
    assert label({"os": {"name": "linux", "tags": ["a", "b"]}, "n": 2.0, "flag": True}) == "linux, a, b, 2, true"


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        ("text", "needs names with lists"),
        ({"os": []}, "needs a list that is not empty"),
        ({"os": "linux"}, "needs a list"),
        ({"os": ["a"], "exclude": [{"os": "a"}]}, "no combination"),
        ({"a": [float(n) for n in range(17)], "b": [float(n) for n in range(17)]}, "makes 289 jobs; 256"),
        ({"os": ["a"], "include": ["b"]}, "matrix.include needs a list of names"),
    ],
)
def test_what_makes_no_jobs_is_refused(matrix: Any, reason: str) -> None:
    with pytest.raises(MatrixError, match=reason):
        combinations(matrix)
