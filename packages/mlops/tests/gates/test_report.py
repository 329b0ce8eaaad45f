"""Reports: verdict first, limits kept and said, hostile text shown as text, documents that are JSON."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from mlops.core.markdown import escape
from mlops.gates.plots import draw_plots
from mlops.gates.render import DEFAULT_LIMIT, SMALLEST_LIMIT, html_report, markdown_report

HOSTILE = "<script>alert(1)</script> | [click](http://evil.example) @everyone #1 `x` **bold**\n# big \u202e ![i](x)"


@pytest.fixture
def report(world: Any) -> Any:
    return world.run(world.proposal())


def hostile_report(world: Any, edit_document: Any) -> Any:
    proposal = world.proposal()
    edit_document(
        proposal.challenger.folder / "provenance.json",
        lambda document: document.update(job=HOSTILE, components={HOSTILE: HOSTILE}),
    )
    return world.run(replace(proposal, challenger=world.promised(proposal.challenger.folder)))


def test_the_verdict_comes_first_and_then_the_table(report: Any) -> None:
    lines = markdown_report(report).splitlines()

    assert lines[0] == "## ✅ PASS: late-payers 2 may be released to staging, all 18 gates pass"
    assert "champion, version 1" in lines[2]
    table = lines.index("|  | gate | champion | challenger | difference | interval | threshold |")
    changes, nearest = lines.index("**What changes**"), lines.index("**Nearest to their bounds**")
    assert changes < nearest < table


def test_a_report_says_how_many_decisions_change_for_whom(world: Any, recipe: Any) -> None:
    report = world.run(world.proposal(recipe(bias=-1.2)))
    performance = report.evidence.performance
    before, after = (each.task.decisions(each.answer) for each in (performance.champion, performance.challenger))
    up, down = (sum((old, new) == pair for old, new in zip(before, after, strict=True)) for pair in ((0, 1), (1, 0)))
    assert up > 0

    sentence, *by_subgroup = report.changes

    assert f"the decision changes for {up + down:,} ({100 * (up + down) / len(after):.1f} %)" in sentence
    assert f"{up:,} from 0 to 1" in sentence
    assert by_subgroup
    assert by_subgroup[0].startswith("Most often for kind ")
    assert report.document()["changes"]["changed"] == up + down
    assert sum(each["changed"] for each in report.document()["groups"]) == up + down
    assert sentence in html_report(report)


def test_a_first_release_says_what_it_decides(world: Any) -> None:
    report = world.run(replace(world.proposal(), champion=None))

    decided = Counter(
        report.evidence.performance.challenger.task.decisions(report.evidence.performance.challenger.answer)
    )
    assert all(f"{count:,} as {name} (" in report.changes[0] for name, count in decided.items())


def test_the_gate_with_the_least_room_is_named_first(report: Any) -> None:
    rooms = {each.rule.measure: each.room for each in report.verdict.outcomes if each.room is not None}

    nearest = report.document()["nearest"]

    assert nearest == sorted(rooms, key=rooms.__getitem__)[:3]
    assert "% of the bound is left" in report.nearest[0]
    # A bound of 0 is kept or broken; it has no room.
    assert "schema_breaks" not in rooms


def test_gates_without_a_measurement_stand_apart_and_are_no_pass(world: Any) -> None:
    report = world.run(replace(world.proposal(), champion=None, recent=None))

    assert report.promotes
    assert report.headline.endswith("15 of 18 gates pass, 3 not measured")
    assert report.document()["not_measured"] == ["largest_feature_drift", "score_drift", "schema_breaks"]
    text = markdown_report(report)
    head, table = text.split("|  | gate |")
    assert head.count("⬜ **") == 3
    assert "✅ | Score drift" not in table
    page = html_report(report)
    assert page.count('class="unmeasured"') == 3
    assert page.count('<td class="pass">') == 15


def test_every_part_is_there(report: Any) -> None:
    text = markdown_report(report)

    titles = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert titles == ["Slices", "Drift", "Speed and size", "Lineage", "How to roll back"]
    assert "mlops rollback --stage staging" in text
    assert "git revert" in text


def test_what_blocks_is_said_at_the_top(world: Any, recipe: Any) -> None:
    text = markdown_report(world.run(world.proposal(recipe(bias=2.0))))

    head = text.split("|  | gate")[0]
    assert head.startswith("## ❌ BLOCKED: late-payers 2 for staging")
    assert "**Brier score** (fail)" in head


def test_a_first_release_says_that_there_is_nothing_to_go_back_to(world: Any) -> None:
    text = markdown_report(world.run(replace(world.proposal(), champion=None)))

    assert "First release to staging: there is no champion" in text
    assert "no earlier release" in text


@pytest.mark.parametrize("limit", [DEFAULT_LIMIT, 4_000, 2_500, SMALLEST_LIMIT])
def test_a_limit_is_kept_and_what_is_left_out_is_named(world: Any, recipe: Any, limit: int) -> None:
    report = world.run(world.proposal(recipe(weights=(0.0, 0.1, 0.4), bias=-1.0)))
    whole = markdown_report(report)

    text = markdown_report(report, limit)

    assert len(text) <= limit
    assert text.startswith("## ❌ BLOCKED")
    if len(whole) > limit:
        assert f"Shortened to {limit:,} characters. Left out: " in text.splitlines()[-1]
    else:
        assert text == whole


def test_the_least_important_goes_first(report: Any) -> None:
    shorter = markdown_report(report, len(markdown_report(report)) - 10)

    assert "### Speed and size" not in shorter
    assert "### How to roll back" in shorter
    assert "### Slices" in shorter


def test_a_limit_that_cannot_be_kept_is_refused(report: Any) -> None:
    with pytest.raises(ValueError, match="needs"):
        markdown_report(report, SMALLEST_LIMIT - 1)


def test_pictures_are_linked_and_go_before_anything_else(report: Any) -> None:
    pictures = {"ROC curve": "https://example.com/raw/abc/roc.svg"}

    whole = markdown_report(report, pictures=pictures)
    shorter = markdown_report(report, len(whole) - 10, pictures)

    assert "![ROC curve](<https://example.com/raw/abc/roc.svg>)" in whole
    assert "roc.svg" not in shorter
    assert "Left out: Plots" in shorter


def test_hostile_text_is_no_markup_in_markdown(world: Any, edit_document: Any) -> None:
    text = markdown_report(hostile_report(world, edit_document))

    for forbidden in (
        "<script",
        "[click](",
        "@everyone",
        "http://evil",
        "**bold",
        "\n# big",
        "![i]",
        "\u202e",
    ):
        assert forbidden not in text
    rows = [line for line in text.splitlines() if line.startswith("| job")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("credit-default_v2", "credit-default\\_v2"),
        ("- item", "\\- item"),
        ("a|b", "a\\|b"),
        ("mail a@b.c", "mail a\u2060@\u2060b.c"),
        ("two\nlines\x00", "two lines"),
        ("&lt;", "&amp;lt;"),
    ],
)
def test_text_is_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


class Tags(HTMLParser):
    """Collects tags and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "onerror", "onload")]


def test_the_page_loads_nothing_and_runs_nothing(world: Any, edit_document: Any) -> None:
    page = html_report(hostile_report(world, edit_document))

    parser = Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    assert "img" not in parser.tags
    assert parser.loads == []
    assert "&lt;script&gt;" in page
    assert 'name="viewport"' in page


def test_the_page_shows_both_models_in_plots(report: Any) -> None:
    plots = draw_plots(report)

    assert list(plots) == ["ROC curve", "Calibration", "Difference from the champion, with interval"]
    assert plots["ROC curve"].count("<polyline") == 2
    assert all(plot in html_report(report) for plot in plots.values())


def test_a_package_that_cannot_be_opened_still_has_a_report(world: Any) -> None:
    proposal = world.proposal()
    (proposal.challenger.folder / "model.onnx").write_bytes(b"no model")

    report = world.run(proposal)

    assert "cannot be opened" in markdown_report(report)
    assert "BLOCKED" in html_report(report)
    assert draw_plots(report) == {}
    json.dumps(report.document(), allow_nan=False)


def test_the_document_is_json_with_every_gate(report: Any) -> None:
    document = json.loads(json.dumps(report.document(), allow_nan=False))

    assert document["promotes"] is True
    assert document["challenger"]["model"]["version"] == "2"
    assert document["champion"]["model"]["version"] == "1"
    gate = next(each for each in document["gates"] if each["measure"] == "roc_auc")
    low, high = gate["interval"]
    assert low <= gate["difference"] <= high
    assert gate["outcome"] == "pass"
    assert set(document["drift"]["features"]) == {"age", "income", "kind"}
    assert document["recent_inputs"] == {"rows": 2_000, "notes": [], "problem": None}
