"""The chain of audit records: it holds as written, and every kind of tampering shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.audit.record import (
    Break,
    Event,
    Record,
    anchor_text,
    contradictions,
    follow,
    parse,
    parse_anchor,
    source_problem,
    verify,
    was_proposed,
)

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def event(step: str = "traffic-10", reason: str = "kept its service level") -> Event:
    return Event(
        kind="rollout",
        stage="prod",
        step=step,
        model="credit",
        version="2",
        digest="sha256:new",
        origin="blue",
        target="green",
        verdict="passed",
        reason=reason,
        traffic={"blue": 90, "green": 10},
    )


def chain(length: int) -> list[Record]:
    records: list[Record] = []
    for number in range(length):
        records.append(follow(records[-1] if records else None, event(f"step {number}"), "ada", WHEN))
    return records


def test_a_chain_holds_as_written() -> None:
    assert verify(chain(5)) == ()
    assert verify([]) == ()


@pytest.mark.parametrize("tampered", range(4))
def test_a_changed_record_shows_at_the_next(tampered: int) -> None:
    records = chain(5)
    records[tampered] = records[tampered].model_copy(update={"who": "mallory"})
    assert [found.number for found in verify(records)] == [tampered + 2]


def test_a_record_taken_out_shows() -> None:
    records = chain(5)
    del records[2]
    assert [found.number for found in verify(records)] == [3]


def test_records_in_another_order_show() -> None:
    records = chain(5)
    records[1], records[2] = records[2], records[1]
    assert verify(records)


@given(st.text(), st.text(max_size=40))
def test_every_text_survives_being_stored(reason: str, who: str) -> None:
    record = follow(None, event(reason=reason), who, WHEN)
    assert parse(record.text(), 1) == record


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a record"),
        ("[]", "is not a record"),
        (chain(1)[0].text().replace('"who":"ada"', '"who":"ada","extra":1'), "is not a record"),
        (chain(2)[1].text(), "claims to be record 2"),
        (chain(1)[0].text().replace('"who":"ada"', '"who": "ada"'), "is not in canonical form"),
    ],
)
def test_what_is_no_record_is_a_break(text: str, reason: str) -> None:
    found = parse(text, 1)
    assert isinstance(found, Break)
    assert reason in found.reason


def test_a_tail_that_was_cut_shows_by_what_was_noted_elsewhere() -> None:
    # given the newest record, noted on the model that was rolled out
    records = chain(5)
    anchor = parse_anchor(anchor_text(records[4], "mlw-prod"), "mlw-prod", "version 2 of model credit")
    assert anchor
    assert contradictions(records, [anchor]) == ()

    # when the last two are gone: the chain has no gap
    assert verify(records[:3]) == ()
    assert contradictions(records[:3], [anchor]) == (Break(5, "is missing: version 2 of model credit notes it"),)

    # or when others took their place
    forged = [*records[:3]]
    for number in range(2):
        forged.append(follow(forged[-1], event(f"forged {number}"), "mallory", WHEN))
    assert verify(forged) == ()
    assert contradictions(forged, [anchor]) == (Break(5, "is another one: version 2 of model credit notes it"),)


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 sha256:0", "five sha256:0 mlw", "-5 sha256:0 mlw", "\u0665 sha256:0 mlw", "5 sha256:0 old"],
)
def test_what_notes_no_record_is_no_anchor(text: str) -> None:
    assert parse_anchor(text, "mlw", "here") is None


def of(*facts: tuple[str, str, str]) -> list[Record]:
    """A log of events: kind, step, and the model's version, which is its digest as well."""
    records: list[Record] = []
    for kind, step, version in facts:
        known = event().model_dump() | {"kind": kind, "step": step, "version": version, "digest": version}
        records.append(follow(records[-1] if records else None, Event.model_validate(known), "ada", WHEN))
    return records


FINISHED, BACK = ("rollout", "finish"), ("rollback", "by hand")


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ([], "has no finished rollout of it in its audit log"),
        ([(*FINISHED, "2")], "has no finished rollout of it in its audit log"),
        (
            [("rollout", "begin", "3"), ("rollback", "traffic-10", "3")],
            "has no finished rollout of it in its audit log",
        ),
        ([("gate", "gate", "3"), ("promotion", "proposed", "3")], "has no finished rollout of it in its audit log"),
        ([(*FINISHED, "3")], None),
        ([(*FINISHED, "3"), (*FINISHED, "4")], None),
        ([(*FINISHED, "2"), (*FINISHED, "3"), (*BACK, "2")], "returned from it to version 2"),
        ([(*FINISHED, "2"), (*FINISHED, "3"), (*FINISHED, "2")], "returned from it to version 2"),
        ([(*FINISHED, "2"), (*FINISHED, "3"), (*BACK, "2"), (*FINISHED, "3")], None),
        ([(*FINISHED, "2"), (*FINISHED, "3"), (*FINISHED, "4"), (*BACK, "3")], None),
        ([(*FINISHED, "3"), ("rollback", "load", "3")], None),
    ],
    ids=[
        *("empty", "another", "rolled back", "only judged", "ran", "until a newer one", "went back by hand"),
        *("went back by a release", "ran again", "came back", "another configuration went back"),
    ],
)
def test_a_stage_is_a_source_of_what_it_kept(facts: list[tuple[str, str, str]], problem: str | None) -> None:
    assert source_problem(of(*facts), "3") == problem


def test_a_promotion_that_passed_says_that_the_stage_before_ran_it() -> None:
    records = of(("promotion", "proposed", "3"))
    proposed = records[0].model_copy(update={"event": records[0].event.model_copy(update={"origin": "staging"})})

    assert was_proposed([proposed], "3", "staging")
    assert not was_proposed([proposed], "2", "staging")
    assert not was_proposed([proposed], "3", "dev")
    assert not was_proposed(of(("promotion", "blocked", "3")), "3", "green")
