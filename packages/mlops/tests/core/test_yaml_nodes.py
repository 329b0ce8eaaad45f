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

MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{number}: &a{number} {{<<: [{', '.join([f'*a{number - 1}'] * 10)}]}}\n" for number in range(1, 10)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, 200))


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key `a` (first on line 1)"),
        ("a: !secret x\n", 1, "the tag `!secret` is not supported"),
        ("? [a, b]\n: 1\n", 1, "a key must be a plain word"),
        ("a: &a\n  - *a\n", 1, "an alias refers to its own anchor"),
        ("a: [1\n", 2, "did not find expected ',' or ']'"),
        (BOMB, 1, "the aliases expand to more than 100,000 entries"),
        (MERGE_BOMB, 1, "the aliases expand to more than 100,000 entries"),
        ("a: &a\n  <<: *a\n", 1, "an alias refers to its own anchor"),
        ("# deep\n" + "- " * 20_000, 2, "the file has more than 100 levels of nesting"),
        ("[" * 20_000 + "]" * 20_000, 1, "the file has more than 100 levels of nesting"),
        (CHAIN, 101, "the aliases nest deeper than 100 levels"),
        ("- a\n" * 250_000, 200_000, "the file has more than 100,000 entries"),
        ("a: " + "x" * 5_000_000, 1, "the file has more than 4,000,000 characters"),
        ("a: " + "9" * 5_000, 1, "a number has 5,000 digits; put it in quotes if it is text"),
        ("a: \0", 1, "unacceptable character #x0000: control characters are not allowed"),
        ('a: "\\ud800"\n', 1, "found invalid Unicode character escape code"),
    ],
    ids=[
        *("duplicate key", "tag", "complex key", "recursive alias", "unclosed", "billion laughs", "merged laughs"),
        *("recursive merge", "deep block", "deep flow", "deep aliases", "many entries", "long", "digits", "NUL"),
        "surrogate",
    ],
)
def test_texts_that_are_refused(text: str, line: int, sentence: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)

    assert (caught.value.line, str(caught.value)) == (line, sentence)
