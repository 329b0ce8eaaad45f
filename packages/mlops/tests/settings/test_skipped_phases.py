"""What Kubernetes leaves out of a rollout, in its phases and in what is written down of it."""

from __future__ import annotations

import pytest

from mlops.endpoint.view import View
from mlops.rollout.audit_writer import event_of
from mlops.rollout.decide import Begin
from mlops.rollout.plan import MIRROR, Plan
from mlops.settings.project import Serving
from mlops.settings.releases import Load, Rollout, skipped_phases


def rollout(mirror: int) -> Rollout:
    return Rollout(
        mirror_percentage=mirror,
        traffic_steps=(10, 100),
        soak_seconds=1,
        load=Load(requests_per_second=10, seconds=1),
    )


@pytest.mark.parametrize(
    ("serving", "mirror", "phases"),
    [("kubernetes", 20, [MIRROR]), ("kubernetes", 0, []), ("managed", 20, [])],
    ids=["a mirror on a cluster", "no mirror on a cluster", "a mirror on Azure's machines"],
)
def test_only_a_mirror_on_a_cluster_is_skipped(serving: Serving, mirror: int, phases: list[str]) -> None:
    without = skipped_phases(rollout(mirror), serving)

    assert [each.phase for each in without] == phases
    assert all(f"mirror_percentage {mirror}" in each.reason for each in without)


def test_all_that_needs_traffic_is_skipped_where_only_files_are_scored() -> None:
    without = skipped_phases(rollout(20), "batch")

    assert [each.phase for each in without] == ["load", MIRROR, "traffic", "slo"]
    assert {each.reason for each in without} == {"not measured: no online endpoint"}


def test_the_first_record_of_a_rollout_says_what_is_skipped() -> None:
    plan = Plan("credit", "2", "sha256:new", skipped_phases=skipped_phases(rollout(20), "kubernetes"))

    event = event_of(Begin("green is free", "green", "blue"), View(), plan, "staging")

    assert event is not None
    assert event.evidence == {MIRROR: f"skipped: {plan.skipped_phases[0].reason}"}
    assert MIRROR not in plan.phases(champion=True)
