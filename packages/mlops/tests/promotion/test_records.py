"""What promotions read out of the audit log: since when a model runs, and whether it was rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlops.audit.record import Event, Record, follow, of_model
from mlops.promotion.readiness import released_at
from mlops.promotion.revert import rolled_back_for

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def event(kind: str, step: str, digest: str, evidence: str = "") -> Event:
    facts = {"kind": kind, "step": step, "digest": digest, "stage": "staging", "model": "m", "version": "1"}
    return Event.model_validate(facts | {"reason": "why", "evidence": {"from": evidence} if evidence else {}})


RELEASED = event("rollout", "finish", NEW)
BEFORE = event("rollout", "finish", OLD)
BEGUN = event("rollout", "begin", NEW)
WENT_BACK = event("rollback", "traffic-50", NEW)
BY_HAND = event("rollback", "by hand", OLD, f"version 2, {NEW}")


def log(*events: Event) -> list[Record]:
    """Records an hour apart."""
    records: list[Record] = []
    for hour, each in enumerate(events):
        last = records[-1] if records else None
        records.append(follow(last, each, "somebody", BEGAN + timedelta(hours=hour)))
    return records


@pytest.mark.parametrize(
    ("events", "hour"),
    [
        ((), None),
        ((BEFORE,), None),
        ((BEFORE, BEGUN), None),
        ((BEFORE, BEGUN, RELEASED), 2),
        ((RELEASED, BEFORE), None),
        ((RELEASED, RELEASED), 1),
        ((BEFORE, RELEASED, BY_HAND), None),
    ],
    ids=["empty", "another", "begun", "finished", "replaced", "again", "taken back by hand"],
)
def test_a_model_runs_since_its_last_rollout_that_nothing_followed(events: tuple[Event, ...], hour: int | None) -> None:
    since = released_at(log(*events), NEW)

    assert since == (None if hour is None else BEGAN + timedelta(hours=hour))


def test_the_rollouts_of_another_model_in_the_same_workspace_do_not_count() -> None:
    other = BEFORE.model_copy(update={"model": "another"})
    records = log(RELEASED, other)

    assert released_at(records, NEW) is None
    assert released_at(of_model(records, "m"), NEW) == BEGAN


def test_a_rollout_that_goes_back_does_not_interrupt_what_ran() -> None:
    assert released_at(log(BEFORE, BEGUN, WENT_BACK), OLD) == BEGAN
    assert released_at(log(BEFORE, RELEASED, BY_HAND), OLD) == BEGAN + timedelta(hours=2)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), None),
        ((BEFORE, BEGUN), None),
        ((BEGUN, WENT_BACK), "why"),
        ((BEGUN, WENT_BACK, BEGUN), None),
        ((RELEASED, BY_HAND), "why"),
        ((RELEASED, BY_HAND, RELEASED), None),
        ((event("rollback", "traffic-50", OLD),), None),
    ],
    ids=["empty", "begun", "went back", "tried again", "by hand", "released again", "another"],
)
def test_a_rollback_counts_until_the_model_is_tried_again(events: tuple[Event, ...], expected: str | None) -> None:
    assert rolled_back_for(log(*events), NEW) == expected
