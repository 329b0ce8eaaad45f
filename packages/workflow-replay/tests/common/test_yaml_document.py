"""YAML as the services read it."""

import math
from typing import Any

import pytest

from workflow_replay.common.yaml_document import Mapping, Sequence, parse
from workflow_replay.errors import WorkflowError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("2026-03-01", "2026-03-01"),
        ("12:30:45", "12:30:45"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("-1.5e3", -1500.0),
        ("3.10", 3.1),
        ("'3.10'", "3.10"),
        ('"true"', "true"),
        ("-.inf", -math.inf),
        ("|\n  12\n", "12\n"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    assert parse(f"key: {text}", "a.yml") == {"key": value}


def test_on_is_a_string_key() -> None:
    assert parse("on: push", "a.yml") == {"on": "push"}


def test_values_know_their_lines() -> None:
    document = parse("a:\n  b: 1\nc:\n  - x\n  - y\n", "a.yml")

    assert isinstance(document, Mapping)
    assert isinstance(document["c"], Sequence)
    assert document.line_of("c") == 3
    assert document["a"].line_of("b") == 2
    assert document["c"].line_of(1) == 5


def test_an_alias_is_a_copy() -> None:
    document = parse("one: &it {a: 1}\ntwo: *it\n", "a.yml")

    assert document["two"] == {"a": 1}
    assert document["two"] is not document["one"]


def test_merge_keys_are_not_supported() -> None:
    with pytest.raises(WorkflowError, match=r"a\.yml:3: merge keys"):
        parse("one: &it {a: 1, b: 2}\ntwo:\n  <<: *it\n  b: 3\n", "a.yml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2\n", r"a\.yml:2: duplicate key 'a', first defined in line 1"),
        ("a:\n  - b\n c: d\n", r"a\.yml:3: "),
        ("? [a]\n: 1\n", r"a\.yml:1: a key must be a scalar"),
        ("a: &a [*a]\n", r"a\.yml:1: "),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]\n" for m, n in zip("abcdef", "bcdefg", strict=True)),
            "too deeply, or too large because of anchors",
        ),
    ],
    ids=["duplicate key", "indentation", "complex key", "recursive alias", "billion laughs"],
)
def test_invalid_documents_are_rejected_with_a_line(text: str, reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason):
        parse(text, "a.yml")
