from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.audit.record import Event, Record, follow
from mlops.core.results import Line, Table
from mlops.endpoint.view import TAG_BEFORE, TAG_FROM, TAG_PHASE, TAG_SINCE, TAG_TO, Deployment, View
from mlops.retire.applying import RetireResult
from mlops.retire.plan import Item, Uses, Version, last_uses, plan_deployments, plan_models
from mlops.settings.policies import Deadlines

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)
DEADLINES = Deadlines(deployment_days=7, model_days=30, keep_latest_models=1)
NOBODY = Uses({}, {})


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def versions(*created: datetime | None) -> list[Version]:
    return [Version(str(number), f"d{number}", time) for number, time in enumerate(created, start=1)]


def going(planned: list[Any]) -> list[str]:
    return [item.name for item in planned if item.retire]


@pytest.mark.parametrize(
    ("uses", "last", "expected"),
    [
        (NOBODY, {}, ["2", "1"]),
        (Uses({"d1": "released to prod"}, {}), {}, ["2"]),
        (Uses({}, {"d2": "deployed in dev as blue"}), {}, ["1"]),
        (NOBODY, {"1": ago(29)}, ["2"]),
        (NOBODY, {"1": ago(31)}, ["2", "1"]),
    ],
    ids=["of no use", "released", "deployed", "rolled back lately", "rolled back long ago"],
)
def test_versions_that_nobody_needs_go_after_their_deadline(
    uses: Uses, last: dict[str, datetime], expected: list[str]
) -> None:
    planned = plan_models(versions(LONG_AGO, LONG_AGO, LONG_AGO), uses, last, DEADLINES, NOW)

    assert going(planned) == expected
    assert all(item.reason for item in planned)


def test_newest_versions_stay_whatever_their_age_and_newest_is_by_number() -> None:
    found = [Version(number, f"d{number}", LONG_AGO) for number in ("9", "10", "2")]

    assert going(plan_models(found, NOBODY, {}, DEADLINES, NOW)) == ["9", "2"]


def test_model_that_was_registered_by_others_stays() -> None:
    found = [Version("1", "", LONG_AGO), Version("2", "d2", LONG_AGO), Version("3", "d3", LONG_AGO)]

    assert going(plan_models(found, NOBODY, {}, DEADLINES, NOW)) == ["2"]


def test_deadline_is_kept_to_the_second() -> None:
    just, not_yet = NOW - timedelta(days=30), NOW - timedelta(days=30) + timedelta(seconds=1)

    assert going(plan_models(versions(just, not_yet, NOW), NOBODY, {}, DEADLINES, NOW)) == ["1"]


def test_what_nobody_knows_the_age_of_stays() -> None:
    planned = plan_models(versions(None, LONG_AGO), NOBODY, {}, DEADLINES, NOW)

    assert going(planned) == []
    assert "by hand" in planned[1].reason


def view(traffic: dict[str, int], tags: dict[str, str] | None = None, **changes: Any) -> View:
    """Two deployments, made long ago."""
    both = {
        name: Deployment(name, version, f"d{version}", changes.get("state", "Succeeded"), attempt=LONG_AGO.isoformat())
        for name, version in (("blue", "1"), ("green", "2"))
    }
    return View(both, traffic, mirror=changes.get("mirror", {}), tags=tags or {})


ROLLING = {TAG_PHASE: "smoke", TAG_TO: "blue", TAG_FROM: "green", TAG_SINCE: NOW.isoformat()}


@pytest.mark.parametrize(
    ("seen", "named", "last", "expected"),
    [
        (view({"green": 100}), {}, {}, ["blue"]),
        (view({"green": 100}, state="Failed"), {}, {}, ["blue"]),
        (view({"green": 100}, {TAG_BEFORE: "blue"}), {}, {}, []),
        (view({"green": 100}), {"d1": "released to prod"}, {}, []),
        (view({"green": 100}), {}, {"blue": ago(6)}, []),
        (view({"green": 100}), {}, {"blue": ago(8)}, ["blue"]),
        (view({"green": 99, "blue": 1}), {}, {}, []),
        (view({"green": 100}, mirror={"blue": 10}), {}, {}, []),
        (view({"green": 100}, ROLLING), {}, {}, []),
        (view({"green": 100}, state="Updating"), {}, {}, []),
        (view({}), {}, {}, []),
    ],
    ids=[
        "left over",
        "failed",
        "kept for return",
        "released",
        "left lately",
        "left long ago",
        "has traffic",
        "mirrored",
        "rollout in progress",
        "busy",
        "nothing is live",
    ],
)
def test_deployments_that_nobody_needs_go_after_their_deadline(
    seen: View, named: dict[str, str], last: dict[str, datetime], expected: list[str]
) -> None:
    assert going(plan_deployments(seen, named, last, DEADLINES, NOW)) == expected


def test_deployment_of_somebody_else_stays() -> None:
    foreign = Deployment("by-hand", "", "", "Succeeded")
    seen = View({**view({}).deployments, "by-hand": foreign}, {"green": 100})

    assert going(plan_deployments(seen, {}, {}, DEADLINES, NOW)) == ["blue"]


def test_last_use_is_the_last_rollout_promotion_or_gate() -> None:
    facts: dict[str, Any] = {"model": "late", "digest": "d"}
    events = [
        Event(kind="rollout", stage="prod", step="finish", version="1", target="blue", traffic={"blue": 100}, **facts),
        Event(kind="rollback", stage="dev", step="smoke", version="2", target="green", **facts),
        Event(kind="monitor", stage="prod", step="monitor", version="1", target="blue", **facts),
        Event(kind="retirement", stage="prod", step="archive", version="2", **facts),
    ]
    records: list[Record] = []
    for number, event in enumerate(events):
        records.append(follow(records[-1] if records else None, event, "ada", ago(9 - number)))

    assert last_uses(records, "prod") == ({"1": ago(9), "2": ago(8)}, {"blue": ago(9)})


def test_a_retired_model_is_named_with_where_it_comes_from() -> None:
    item = Item("model", "1", "1", "sha256:1", retire=True, reason="unused", origin="job j, commit c, data credit:7")

    blocks = RetireResult("dev", "credit-default", (item,), applied=False).blocks()

    texts = [block.text for block in blocks if isinstance(block, Line)]
    assert texts[0] == "model version 1: job j, commit c, data credit:7"
    assert texts[1].startswith("as of 20")
    assert any(isinstance(block, Table) and block.title == "stage dev, model credit-default" for block in blocks)
