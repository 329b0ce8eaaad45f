"""A log that somebody silenced: it shows, a rollout does not begin, and a rollback does not wait for it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from azure.ai.ml.entities import Data

from mlops.audit.log import AuditLog, noted_anchors
from mlops.azure.workspace import connect_registry
from mlops.core.errors import PromotionRefused, RolloutFailed
from mlops.rollout.rollback import rollback

from .world import AT_ONCE, MODEL, World

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(600)]
LOG = "audit-log"
TEXT = "mlops.record"


def newest(world: World) -> str:
    return str(len(AuditLog(world.client).read()[0]))


def write(world: World, record: Data, text: str) -> None:
    record.properties[TEXT] = text
    world.client.data.create_or_update(record)


@contextmanager
def broken_log(world: World) -> Generator[None]:
    """The last record says something that no record says."""
    record = world.client.data.get(LOG, newest(world))
    text = record.properties[TEXT]
    write(world, record, "nothing")
    try:
        yield
    finally:
        write(world, world.client.data.get(LOG, str(record.version)), text)


@pytest.fixture
def released(world: World) -> World:
    """Version 2 is live, and version 1 was before."""
    world.settle("2", before="1")
    return world


def test_an_archived_record_silences_nothing_and_shows(released: World) -> None:
    # given the last record archived
    number = newest(released)
    released.client.data.archive(LOG, number)
    try:
        # when
        released.release("1", **AT_ONCE)
        released.deploy()

        # then every step is recorded after it, and the history says so
        records, breaks = AuditLog(released.client).read()
        assert records[-1].event.step == "finish"
        assert [each.number for each in breaks] == [int(number)]
        assert f"az ml data restore --name audit-log --version {number}" in breaks[0].reason
        released.log.write_text("")
        history = released.begin("--json", verb="history")
        history.join()
        assert history.exitcode == 1
        assert json.loads(released.log.read_text())["stages"]["staging"]["breaks"][0]["number"] == int(number)
    finally:
        released.client.data.restore(LOG, number)
    assert AuditLog(released.client).read()[1] == ()


def test_a_rollout_that_cannot_be_recorded_does_not_begin(released: World) -> None:
    released.release("1", **AT_ONCE)
    before = released.view()

    with broken_log(released), pytest.raises(RolloutFailed, match="it cannot be recorded in the audit log"):
        released.deploy()

    assert released.view() == before
    assert released.live_version() == "2"


def test_a_rollback_moves_traffic_first_and_is_recorded_later(released: World) -> None:
    # given a stage whose log says that version 2 is live
    released.deploy()

    # when
    with broken_log(released):
        result = rollback(released.client, released.project, released.stage, "wrong amounts")

    # then
    assert released.live_version() == "1"
    assert result.exit_code == 7
    assert "the audit log is broken" in result.unrecorded

    # and the next rollout records it, as what it was
    released.deploy()
    events = [record.event for record in AuditLog(released.client).read()[0]]
    (later,) = [each for each in events if each.reason == "recorded later: rolled back: wrong amounts"]
    assert (later.kind, later.step, later.version, later.target) == ("rollback", "by hand", "1", result.deployment)
    assert later.evidence == {"from": f"version 2, {released.digests['2']}"}


def test_the_end_of_a_rollout_is_noted_where_the_workspace_does_not_reach(released: World) -> None:
    released.release("1", **AT_ONCE)
    released.deploy()

    registry = connect_registry(released.project.settings.registry)
    anchors = noted_anchors(released.client, registry, MODEL, "staging")
    records, breaks = AuditLog(released.client).read(anchors)

    assert breaks == ()
    assert (records[-1].number, records[-1].hash()) in {(each.number, each.hash) for each in anchors}


def test_a_release_of_what_the_stage_before_never_ran_is_not_rolled_out(released: World) -> None:
    # given a version that is in the registry, and a manifest that claims that dev ran it
    released.register("7", ran=False)
    released.release("7")
    before = released.view()

    with pytest.raises(PromotionRefused, match="dev runs no model, and has no finished rollout of it") as refused:
        released.deploy()

    assert "No stage can be skipped" in refused.value.advice
    assert refused.value.exit_code == 9
    assert released.view() == before
