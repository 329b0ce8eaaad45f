"""Going back by hand, and what is written down."""

from __future__ import annotations

import json
import time

import pytest

from mlops.audit.log import AuditLog
from mlops.azure.workspace import connect_registry
from mlops.core.errors import RolloutFailed
from mlops.rollout.execute import write_change
from mlops.rollout.lease import Change
from mlops.rollout.rollback import rollback

from .world import AT_ONCE, MODEL, World, soaking

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(600)]
# It asks the deployment as well, once; a second change, or a step that is watched, would take several times as long.
ONE_CHANGE_FACTOR = 4


@pytest.fixture
def released(world: World) -> World:
    """Version 2 is live, and version 1 was before."""
    world.settle("2", before="1")
    return world


def test_rollback_returns_the_traffic_in_one_change(released: World) -> None:
    with released.callers() as calling:
        # given how long it takes here, among these callers, to read the endpoint and to write its own traffic
        one_change = max(seconds_of_one_change(released) for _ in range(3))

        result = rollback(released.client, released.project, released.stage, "wrong amounts")

        assert released.live_version() == "1"
        assert result.model_version == "1"
        assert result.traffic_seconds < ONE_CHANGE_FACTOR * one_change
        assert "releases/staging.yml still names version 2" in result.advice
    assert not calling.failures
    # and there is nothing further to go back to: what was left is no release any more
    with pytest.raises(RolloutFailed, match="has no previously live deployment"):
        rollback(released.client, released.project, released.stage)


def seconds_of_one_change(world: World) -> float:
    begun = time.monotonic()
    view = world.view()
    write_change(world.client, world.endpoint, Change(view.traffic, view.mirror, view.tags))
    return time.monotonic() - begun


def test_rollback_command_says_what_to_revert(released: World) -> None:
    released.commit("Release 2")

    released.log.write_text("")
    command = released.begin("--json", verb="rollback")
    command.join()

    assert command.exitcode == 0, released.log.read_text()
    assert "`git revert " in json.loads(released.log.read_text())["advice"]
    assert released.live_version() == "1"


def test_rollback_to_what_does_not_answer_is_refused(released: World) -> None:
    released.fault(v1={"status": 500})

    with pytest.raises(RolloutFailed, match="is not healthy, and traffic was not moved"):
        rollback(released.client, released.project, released.stage)

    assert released.live_version() == "2"


def test_rollback_ends_a_rollout_under_way(world: World) -> None:
    world.release("2", **soaking(50, 100))
    process = world.begin()
    world.wait_for_phase("traffic-50")

    rollback(world.client, world.project, world.stage)

    process.join()
    assert process.exitcode == 5
    assert world.live_version() == "1"


def test_reverted_release_comes_back_without_being_made_again(released: World) -> None:
    released.release("1", **AT_ONCE)

    result = released.deploy()

    assert released.live_version() == "1"
    assert not [reason for reason in result.actions if "will run" in reason]


def test_steps_are_in_the_audit_log_and_on_the_model(world: World) -> None:
    # given a rollout that went well, and one that went back
    world.deploy()
    world.settle("1")
    world.release("2")
    world.fault(v2={"status": 500})
    with pytest.raises(RolloutFailed):
        world.deploy()

    # then
    records, breaks = AuditLog(world.client).read()
    assert not breaks
    mine = [record.event for record in records if record.event.version == "2"]
    last = mine[-1]
    assert (last.kind, last.step, last.verdict) == ("rollback", "smoke", "failed")
    assert last.traffic == {world.view().live: 100}
    finished = max(number for number, event in enumerate(mine) if event.step == "finish")
    steps = [event.step for event in mine[:finished] if event.kind == "rollout"]
    assert steps[-6:] == ["smoke", "load", "mirror", "traffic-10", "traffic-50", "traffic-100"]
    model = connect_registry(world.project.settings.registry).models.get(MODEL, "2")
    assert "rolled back: smoke test failed" in model.tags["stage_staging"]
