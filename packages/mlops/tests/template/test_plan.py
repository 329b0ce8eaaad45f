"""What an upgrade reports: owners as docs/architecture.md names them, entries of CHANGELOGs, text for people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mlops.template.plan import FORK, UPSTREAM, Entry, FileChange, Plan, UpgradeResult, entries_between, owner_of

ROOT = Path(__file__).parents[4]
CHANGELOG = """# Changelog

## 1.10.0 (unreleased)

- Ten.

## v1.2.0

### Changed

- Two, which
  is long.
- Also two.

## 1.1.0

- One.

## Unreleased

- Not a version.
"""


def test_owners_are_those_that_the_documentation_names() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\*.*?\| (.+?) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    named = {owner.removeprefix("the "): re.findall(r"`([^`]+?)/?`", files) for owner, files in rows}

    assert named.keys() == {"fork", "platform", "upstream"}
    for owner, files in named.items():
        assert {owner_of(f"{file}/x") for file in files} == {owner}
    assert {*FORK, *UPSTREAM} == {*named["fork"], *named["upstream"]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("1.0.0", "1.1.0", ["One."]),
        ("1.1.0", "1.2.0", ["Two, which is long.", "Also two."]),
        ("1.0.0", "1.10.0", ["One.", "Two, which is long.", "Also two.", "Ten."]),
        ("1.10.0", "1.10.0", []),
        ("1.10.0", "2.0.0", []),
    ],
)
def test_entries_are_those_of_the_versions_between(before: str, after: str, expected: list[str]) -> None:
    assert [entry.text for entry in entries_between("mlops", CHANGELOG, before, after)] == expected


def test_the_document_is_json_with_everything_that_people_read() -> None:
    change = FileChange("infra/stage.py", "changed", "platform", edited=True)
    entry = Entry("mlops", "1.1.0", "Do this.")
    plan = Plan("1.0.0", "1.1.0", "merge", (change,), (entry,))
    result = UpgradeResult(plan, "conflicts", ("a: done",), ("infra/stage.py",))

    document = json.loads(json.dumps(result.document()))

    assert document == {
        "status": "conflicts",
        "from": "1.0.0",
        "to": "1.1.0",
        "kind": "merge",
        "changes": [{"file": "infra/stage.py", "change": "changed", "owner": "platform", "edited": True}],
        "changelog": [{"package": "mlops", "version": "1.1.0", "text": "Do this."}],
        "done": ["a: done"],
        "conflicts": ["infra/stage.py"],
        "commit": None,
    }
