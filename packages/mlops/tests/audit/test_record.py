"""The chain of audit records: it holds as written, and every kind of tampering shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.audit.record import Break, Event, Record, follow, parse, verify

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
