"""Scalars by YAML 1.2, the lines of keys, merge keys, and texts that are refused."""

from __future__ import annotations

import pytest

from mlops.core.documents import YamlError, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("True", True),
        ("1e-3", 0.001),
        ("-7", -7),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("2026-11-30", "2026-11-30"),
        ("'5'", "5"),
        ("~", None),
        (".inf", float("inf")),
        ("", None),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse_yaml(text).value

    assert (found, type(found)) == (value, type(value))


def test_every_key_and_list_element_has_its_line() -> None:
    document = parse_yaml("a:\n  b: 1\n\nc:\n  - d\n  - e: 2\n")

    assert document.value == {"a": {"b": 1}, "c": ["d", {"e": 2}]}
    assert document.lines == {("a",): 1, ("a", "b"): 2, ("c",): 4, ("c", 0): 5, ("c", 1): 6, ("c", 1, "e"): 6}


def test_own_entries_replace_merged_ones_and_the_first_source_wins() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n"

    assert parse_yaml(text).value["z"] == {"a": 1, "b": 1, "c": 3}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "`a` is given twice (first on line 1)"),
        ("a: !secret x\n", 1, "the tag `!secret` is not supported"),
        ("? [a, b]\n: 1\n", 1, "a key must be a plain word"),
        ("a: &a\n  - *a\n", 1, "an alias refers to its own anchor"),
        ("a: [1\n", 2, "did not find expected ',' or ']'"),
        (BOMB, 1, "the aliases expand to more than 100,000 entries"),
    ],
    ids=["duplicate key", "tag", "complex key", "recursive alias", "unclosed", "billion laughs"],
)
def test_texts_that_are_refused(text: str, line: int, sentence: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)

    assert (caught.value.line, str(caught.value)) == (line, sentence)
