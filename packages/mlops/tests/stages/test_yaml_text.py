"""Entries of YAML that are copied or removed in the text: every other byte stays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlops.core.documents import parse_yaml
from mlops.stages.yaml_text import CannotEdit, copy_entries, remove_entries

ROOT = Path(__file__).parents[4]
BLOCKS = """\
# What each stage asks.
stages:
  dev: # everything
    builders: ["*"]

  staging:
    builders: &trusted # by name
      - a
      - "b: c"
    commit: merged

  # The last one.
  prod:
    builders: *trusted
    commit: merged # reviewed
# The end.
"""
LINES = """\
rules:
  - measure: a
    stages:
      dev: null # as above
      staging: {max: 0} # zero
  - measure: b
    stages: {dev: {max: 1}, staging: {max: 2}} # in one line
  - measure: c
    every_stage: {max: 3}
"""


def value(text: str) -> Any:
    return parse_yaml(text).value


def test_a_block_is_copied_behind_itself_and_refers_to_its_anchors() -> None:
    copied = copy_entries(BLOCKS, [("stages", "staging")], "preprod", "as in staging")

    new = "\n  preprod: # as in staging\n    builders: *trusted\n    commit: merged\n"
    assert copied == BLOCKS.replace("    commit: merged\n\n", f"    commit: merged\n{new}\n", 1)
    assert value(copied)["stages"]["preprod"] == value(BLOCKS)["stages"]["staging"]
    assert list(value(copied)["stages"]) == ["dev", "staging", "preprod", "prod"]


def test_the_last_block_is_copied_behind_itself_too() -> None:
    copied = copy_entries(BLOCKS, [("stages", "prod")], "after", "as in prod")

    block = "    builders: *trusted\n    commit: merged # reviewed\n"
    assert copied.endswith(f"  prod:\n{block}\n  after: # as in prod\n{block}# The end.\n")


def test_an_anchor_moves_to_who_refers_to_it_when_its_block_is_removed() -> None:
    left = remove_entries(BLOCKS, [("stages", "staging")])

    assert value(left)["stages"]["prod"] == value(BLOCKS)["stages"]["prod"]
    assert "staging" not in left
    assert "  # The last one.\n  prod:\n    builders: &trusted\n      - a\n" in left


def test_lines_are_copied_with_one_comment_and_flows_in_their_line() -> None:
    paths = [("rules", index, "stages", "staging") for index in range(3)]

    copied = copy_entries(LINES, paths, "preprod", "as in staging")

    assert copied == LINES.replace(
        "{max: 0} # zero\n", "{max: 0} # zero\n      preprod: {max: 0} # as in staging\n"
    ).replace("staging: {max: 2}}", "staging: {max: 2}, preprod: {max: 2}}")


def test_what_was_copied_before_is_not_copied_again() -> None:
    paths = [("rules", index, "stages", "staging") for index in range(2)]
    once = copy_entries(LINES, paths, "preprod", "as in staging")

    assert copy_entries(once, paths, "preprod", "as in staging") == once
    assert remove_entries(once, [(*path[:-1], "preprod") for path in paths]) == LINES


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_each_stage_of_project_yml_can_be_removed_without_touching_the_others(name: str) -> None:
    text = (ROOT / "project.yml").read_text()

    left = remove_entries(text, [("stages", name)])

    assert [stage["name"] for stage in value(left)["stages"]] == [
        stage["name"] for stage in value(text)["stages"] if stage["name"] != name
    ]
    assert set(left.splitlines()) <= set(text.splitlines())
    assert "\n\n\n" not in left
    assert left.endswith("\n")
    assert not left.endswith("\n\n")


def test_a_copy_in_a_list_is_renamed_where_the_old_name_is_a_word() -> None:
    text = "stages:\n  - name: dev\n    group: rg-dev\n    device: dev1\n"

    copied = copy_entries(text, [("stages", "dev")], "uat", "as in dev", lambda block: re.sub(r"\bdev\b", "uat", block))

    assert copied == f"{text}  - name: uat # as in dev\n    group: rg-uat\n    device: dev1\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("stages:\n  dev: 1\n", ("stages", "dev")),
        ("stages: [dev]\n", ("stages", "dev")),
        ("stages: {dev: 1}\n", ("stages", "dev")),
    ],
    ids=["block", "list", "flow"],
)
def test_the_last_of_its_kind_is_not_removed(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(CannotEdit, match="has no siblings"):
        remove_entries(text, [path])


@pytest.mark.parametrize(
    "text",
    [
        "stages: {\n  dev: 1, staging: 2 }\nother: &x {a: 1}\n",
        "? stages\n: dev: 1\n  staging: 2\n",
        "stages:\n  dev: 1\n  'staging': 2",
    ],
    ids=["flow over lines", "complex key", "no line end"],
)
def test_what_is_written_in_an_odd_way_is_copied_or_refused_but_never_broken(text: str) -> None:
    try:
        copied = copy_entries(text, [("stages", "staging")], "preprod", "as in staging")
    except CannotEdit:
        return
    assert value(copied)["stages"] == value(text)["stages"] | {"preprod": 2}


def test_a_path_that_leads_nowhere_changes_nothing() -> None:
    assert copy_entries(LINES, [("rules", 7, "stages", "staging"), ("nothing",)], "preprod", "x") == LINES
    assert remove_entries(LINES, [("rules", 0, "stages", "prod")]) == LINES
