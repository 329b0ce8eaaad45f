"""schema.yml and schema.json describe the same columns, and what contradicts itself is refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_package import SCHEMA

from model_package.errors import SchemaError
from model_package.schema import Decision, Schema
from model_package.schema_file import read_schema_file

YAML = """\
format: 1
id: id
target: late
features:
  - {name: age, type: integer, minimum: 18, maximum: 100, description: years}
  - {name: income, type: number, minimum: 0}
  - {name: kind, type: integer, categories: [1, 2, 4]}
slices:
  - name: kind
    column: kind
    categories: {first: [1], others: [2, 4]}
  - name: age
    column: age
    ranges: {18 to 49: [18, 49], 50 and older: [50, 100]}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "schema.yml"
    file.write_text(text)
    return file


def test_schema_yml_and_schema_json_say_the_same(tmp_path: Path):
    schema = read_schema_file(written(tmp_path, YAML))

    assert schema == replace(SCHEMA, decision=None)
    assert Schema.parse(SCHEMA.as_document(), "schema.json") == SCHEMA


def test_whole_limits_stay_whole_in_schema_json():
    assert SCHEMA.as_document()["features"][0] == {
        "name": "age",
        "type": "integer",
        "minimum": 18,
        "maximum": 100,
        "categories": None,
        "description": "years",
    }


def test_a_package_from_before_there_were_slices_is_read():
    document = SCHEMA.as_document()
    del document["slices"]

    assert Schema.parse(document, "schema.json") == replace(SCHEMA, slices=())


def test_a_schema_without_a_model_has_no_threshold():
    with pytest.raises(SchemaError, match="no decision threshold"):
        _ = replace(SCHEMA, decision=None).threshold
    assert replace(SCHEMA, decision=None).with_decision(Decision(0.2)).threshold == 0.2


def test_membership_divides_rows_by_categories_and_by_ranges():
    kind = SCHEMA.slice("kind").membership(np.array([1.0, 4.0, 3.0, np.nan]))
    age = SCHEMA.slice("age").membership(np.array([18.0, 49.0, 50.0, 49.5]))

    assert kind.tolist() == [[True, False], [False, True], [False, False], [False, False]]
    assert age.tolist() == [[True, False], [True, False], [False, True], [False, False]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"format": 2}, "has format 2, this code reads format 1", id="another format"),
        pytest.param({"target": None}, "schema.json: target is missing", id="no target"),
        pytest.param({"features": []}, "at least one feature", id="no features"),
        pytest.param({"features": [{"name": "x", "type": "colour"}]}, "unknown type 'colour'", id="another type"),
        pytest.param({"features": [{"type": "number"}]}, r"features\[0\]\.name is missing", id="no name"),
        pytest.param({"decision": {"threshold": "high"}}, "decision.threshold must be a finite number", id="text"),
        pytest.param({"id": "age"}, "names age more than once", id="a column twice"),
    ],
)
def test_a_broken_schema_json_is_refused(change: dict[str, Any], says: str):
    with pytest.raises(SchemaError, match=says):
        Schema.parse(SCHEMA.as_document() | change, "schema.json")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("format: 1", "format: 2", "format: Input should be 1", id="another format"),
        pytest.param(
            "target: late", "target: late\nclass: 3", "class: Extra inputs are not permitted", id="unknown key"
        ),
        pytest.param("name: income", "name: age", "names age more than once", id="a column twice"),
        pytest.param(
            "name: income, type", "name: 3, type", "features.1.name: Input should be a valid string", id="no text"
        ),
        pytest.param("minimum: 18", "minimum: 180", "minimum 180 lies above maximum 100", id="limits swapped"),
        pytest.param("minimum: 18", "minimum: '18'", "features.0.minimum", id="a number in quotes"),
        pytest.param("[1, 2, 4]", "[1, 2, 2]", "a category is listed twice", id="a category twice"),
        pytest.param("column: kind", "column: sort", "sort is not a feature", id="a slice of no feature"),
        pytest.param("others: [2, 4]", "others: [2, 5]", "5 is not a category of kind", id="unknown category"),
        pytest.param(
            "others: [2, 4]", "others: [1, 2, 4]", "category 1 belongs to two subgroups", id="in two subgroups"
        ),
        pytest.param("first: [1], ", "", "fewer than two subgroups", id="one subgroup"),
        pytest.param("[50, 100]", "[49, 100]", "overlap", id="ranges that overlap"),
        pytest.param("[50, 100]", "[100, 50]", "ends before it begins", id="a range backwards"),
        pytest.param("name: age\n", "name: kind\n", "slice kind is there twice", id="a slice twice"),
        pytest.param("    ranges:", "    groups:", "groups: Extra inputs", id="unknown key of a slice"),
        pytest.param("    column: age\n", "    column: age\n    categories: {a: [1]}\n", "either", id="both ways"),
        pytest.param("id: id", "id: id\nid: id", "cannot be read as YAML", id="a key twice"),
        pytest.param("id: id", "id: [", "cannot be read as YAML", id="broken YAML"),
    ],
)
def test_a_broken_schema_yml_is_refused_by_name(tmp_path: Path, old: str, new: str, says: str):
    assert old in YAML

    with pytest.raises(SchemaError, match=says):
        read_schema_file(written(tmp_path, YAML.replace(old, new, 1)))


def test_a_missing_schema_yml_is_named(tmp_path: Path):
    with pytest.raises(SchemaError, match=r"schema\.yml does not exist"):
        read_schema_file(tmp_path / "schema.yml")
