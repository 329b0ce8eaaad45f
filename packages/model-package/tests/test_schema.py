"""schema.yml and schema.json describe the same columns, and what contradicts itself is refused by name."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_package import SCHEMA

from model_package.errors import SchemaError
from model_package.schema import Decision, Feature, Schema
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


EVERY_KIND = """\
format: 1
task: multiclass_classification
time: seen
target: risk
classes: [low, medium, high]
ignore: [comment]
features:
  - {name: plan, type: category, categories: [Basic, Pro], unknown: other, nullable: true}
  - {name: member, type: boolean}
  - {name: seen, type: timestamp}
  - {name: note, type: text}
  - {name: zone, type: category, categories: [7, 12]}
slices:
  - {name: plan, column: plan, categories: {small: [Basic], large: [Pro]}}
  - {name: member, column: member, categories: {"yes": [true], "no": [false]}}
  - {name: zone, column: zone, categories: {west: [7], east: [12]}}
"""


def test_columns_of_every_kind_and_the_task_travel_as_schema_json(tmp_path: Path):
    schema = read_schema_file(written(tmp_path, EVERY_KIND))
    document = json.loads(json.dumps(schema.as_document()))

    assert Schema.parse(document, "schema.json") == schema
    assert (schema.task, schema.classes) == ("multiclass_classification", ("low", "medium", "high"))
    assert (schema.identifier, schema.time, schema.ignored) == ("", "seen", ("comment",))
    assert schema.columns == ("plan", "member", "seen", "note", "zone", "risk")


def test_features_become_columns_of_the_matrix_and_texts_stand_beside_it(tmp_path: Path):
    schema = read_schema_file(written(tmp_path, EVERY_KIND))
    seen = [f"seen.{part}" for part in ("days", "month", "day", "weekday", "hour", "minute", "second")]

    assert schema.matrix_columns == ("plan", "member", *seen, "zone")
    assert [feature.name for feature in schema.texts] == ["note"]
    assert [feature.codes for feature in schema.features] == [(0, 1, 2), (0, 1), None, None, (0, 1)]


def test_a_part_of_a_timestamp_leaves_a_feature_its_name():
    names = ("seen.days", "seen", "seen.days_", "seen.month")
    schema = Schema("", "y", tuple(Feature(each, "timestamp" if each == "seen" else "number") for each in names))

    assert schema.matrix_columns[:4] == ("seen.days", "seen.days__", "seen.month_", "seen.day")
    assert len(set(schema.matrix_columns)) == 10


def test_a_slice_of_labels_divides_rows_by_their_codes(tmp_path: Path):
    schema = read_schema_file(written(tmp_path, EVERY_KIND))

    assert schema.slice("plan").membership(np.array([1.0, 2.0, np.nan])).tolist() == [
        [False, True],
        [False, False],
        [False, False],
    ]
    assert schema.slice("member").membership(np.array([0.0, 1.0])).tolist() == [[False, True], [True, False]]
    assert schema.slice("zone").membership(np.array([0.0, 7.0])).tolist() == [[True, False], [False, False]]


def test_id_may_be_left_out_and_a_binary_target_may_be_of_texts(tmp_path: Path):
    schema = read_schema_file(
        written(tmp_path, YAML.replace("id: id\n", "").replace("late\n", 'late\npositive: "yes"\n'))
    )

    assert (schema.identifier, schema.positive, schema.task) == ("", "yes", "binary_classification")
    assert schema.columns == ("age", "income", "kind", "late")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("[Basic, Pro]", "[Basic, Basic]", "feature plan: a category is listed twice", id="twice"),
        pytest.param("[Basic, Pro]", "[Basic, 2]", "put every category in quotes", id="mixed"),
        pytest.param("[Basic, Pro]", "[true, false]", "write `type: boolean`", id="truths as categories"),
        pytest.param("[Basic, Pro]", "[0.5, 1.5]", "put fractions in quotes", id="fractions"),
        pytest.param("[Basic, Pro]", '[Basic, ""]', "write `nullable: true`", id="an empty category"),
        pytest.param("[Basic, Pro]", "[]", "at least 1 item", id="no category"),
        pytest.param("categories: [Basic, Pro], ", "", "a category needs the list of its values", id="none"),
        pytest.param("unknown: other", "unknown: drop", "'refuse' or 'other'", id="another rule"),
        pytest.param(
            "type: boolean",
            "type: bool",
            "feature member: unknown type 'bool' (did you mean 'boolean'?); write one of",
            id="type",
        ),
        pytest.param("type: boolean", "type: boolean, categories: [a]", "write `type: category`", id="no category"),
        pytest.param("type: boolean", "type: boolean, unknown: other", "`unknown` does not fit", id="no unknown"),
        pytest.param("type: text", "type: text, maximum: 3", "do not fit the type text", id="limits of a text"),
        pytest.param("type: category, categories: [7", "type: integer, categories: [a", "for texts", id="text codes"),
        pytest.param("[7, 12]", "[7, 99999999]", "12 is not a category of zone", id="not in the slice"),
        pytest.param("type: category, categories: [7", "type: integer, categories: [16777217", "apart", id="wide"),
        pytest.param("column: member, categories", "column: note, categories", "true is not a category", id="of text"),
        pytest.param("time: seen", "time: note", "`time`: note of type text has no order", id="time without order"),
        pytest.param("time: seen", "group: zone\ntime: seen", "two ways to split; remove one", id="group and time"),
        pytest.param("time: seen", "gap: 7", "`gap` needs `time: COLUMN`", id="gap without time"),
        pytest.param(
            "task: multiclass_classification",
            "task: forecasting",
            "a task of your own in extensions/tasks.py",
            id="none",
        ),
        pytest.param("time: seen", "time: risk", "names risk more than once", id="time is the target"),
        pytest.param("ignore: [comment]", "ignore: [note]", "names note more than once", id="used and ignored"),
        pytest.param(
            "multiclass_class", "class", "(did you mean 'binary_classification'?); known are", id="another task"
        ),
        pytest.param("multiclass", "binary", "write `positive: VALUE`, or write `task", id="classes of two"),
        pytest.param("task: multiclass_classification", "task: regression", "remove them, or", id="classes of none"),
        pytest.param("classes: [low, medium, high]", "", "needs the target's values in order", id="no classes"),
        pytest.param("classes: [low, medium, high]", "classes: [a, b]", "fewer than 3 classes", id="two classes"),
        pytest.param("medium, high]", "high, high]", "a class is listed twice", id="a class twice"),
        pytest.param("target: risk", "target: risk\npositive: high", "`positive` does not fit", id="positive of many"),
    ],
)
def test_what_contradicts_itself_says_what_to_write(tmp_path: Path, old: str, new: str, says: str):
    assert old in EVERY_KIND

    with pytest.raises(SchemaError, match=re.escape(says)):
        read_schema_file(written(tmp_path, EVERY_KIND.replace(old, new, 1)))


def test_group_and_gap_travel_in_schema_json(tmp_path: Path):
    by_group = read_schema_file(written(tmp_path, EVERY_KIND.replace("time: seen", "group: owner")))
    by_time = read_schema_file(written(tmp_path, EVERY_KIND.replace("time: seen", "time: seen\ngap: 7")))

    assert "owner" in by_group.columns
    assert "owner" not in by_group.names
    assert (by_time.time, by_time.gap) == ("seen", 7.0)
    assert Schema.parse(by_group.as_document(), "schema.json") == by_group
    assert Schema.parse(by_time.as_document(), "schema.json") == by_time


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
