"""Rollouts that meet misfortune under load: callers of the live deployment notice nothing, one release is whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mlops.core.errors import InputError, ProjectError, RolloutFailed, WorkspaceError
from mlops.endpoint.view import FULL, View

from .callers import NO_ANSWER, OK
from .world import AT_ONCE, LONG_SOAK_SECONDS, World, soaking

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(900)]

FAILED = 5
INTERRUPTED = 130
TERMINATED = 143
OUTAGE_SECONDS = 10.0
# What the caller's own clock and the way of an answer may add on a machine that has much to do.
LATE_SECONDS = 3.0
# So many answers in a row, and callers are served again.
SERVED = 20
SLOW_SECONDS = 3.0
# Few, yet some of them are mirrored and recorded within the phase, also on a machine that has much to do.
CALLS_DURING_MIRROR = 20


def share(version: str, percent: int) -> Callable[[View], bool]:
    """Whether a version has that share of the traffic."""

    def condition(view: View) -> bool:
        named = [name for name, one in view.deployments.items() if one.model_version == version]
        return any(view.traffic.get(name) == percent for name in named)

    return condition


def test_new_release_reaches_everybody_without_a_failed_request(world: World) -> None:
    with world.callers() as calling:
        result = world.deploy()
        failed = calling.failed_at(result.deployment)

    assert failed == 0
    assert world.live_version() == "2"
    assert result.traffic[result.deployment] == FULL
    assert {each.deployment for each in calling.answers} == {"blue", "green"}
    # and again there is nothing to do
    assert world.deploy().actions == ()


@pytest.mark.parametrize(
    ("percent", "fault"),
    [(50, {"status": 500}), (10, {"seconds": SLOW_SECONDS}), (FULL, {"status": 500})],
    ids=["500s at 50 %", "slow at 10 %", "500s at 100 %"],
)
def test_new_deployment_that_breaks_in_a_step_is_left_at_once(
    world: World, percent: int, fault: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    # given a rollout that soaks in a step
    world.release("2", **soaking(*sorted({percent, FULL})))
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", percent))
        new = world.name_of("2")

        # when the new deployment breaks in it
        broken = time.time()
        world.fault(v2=fault)
        rollout.join()
        left_after = time.time() - broken

        # then it is left before the step is over, and only those whom it answered have noticed, if anybody: the rollout
        # calls it as well, and may be the first to meet the fault
        assert rollout.exitcode == FAILED
        assert left_after < LONG_SOAK_SECONDS
        assert world.live_version() == "1"
        world.fault()
        failed = calling.failed_at(new)
    record_property("requests that failed at the new deployment", failed)
    assert failed == 0 or "status" in fault


@pytest.mark.long
def test_killed_server_in_a_step_leaves_one_release_whole(world: World) -> None:
    world.release("2", **soaking(50, 100, seconds=3.0))
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", 50))
        new = world.name_of("2")
        killed = world.server_of(new)
        os.kill(killed, signal.SIGKILL)
        rollout.join()

        assert world.live_version() in {"1", "2"}
        assert world.is_up("2")
        assert world.server_of(new) != killed
        calling.failed_at(new)


@pytest.mark.long
def test_connection_that_drops_for_ten_seconds_leaves_one_release_whole(world: World) -> None:
    world.release("2", **soaking(50, 100, seconds=OUTAGE_SECONDS))
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", 50))
        world.emulator.kill()
        cut = time.time()
        time.sleep(OUTAGE_SECONDS)
        assert rollout.is_alive()
        world.emulator.restart()
        rollout.join()

        assert world.live_version() in {"1", "2"}
        assert world.is_up("1")
        assert world.is_up("2")
        back = calling.wait_until_served()
        calling.wait_for(lambda _: len([each for each in calling.answers if each.when > back]) >= SERVED)
    # Nobody could be served while the way was cut; once somebody is again, everybody is.
    cut_off = [each for each in calling.answers if cut + LATE_SECONDS < each.when < cut + OUTAGE_SECONDS]
    assert {each.status for each in cut_off} == {NO_ANSWER}
    assert {each.status for each in calling.answers if each.when - each.seconds > back} == {OK}


def test_command_killed_in_every_phase_and_run_again_ends_the_rollout(world: World) -> None:
    world.register("4")
    world.release("4", soak_seconds=world.findable_soak())
    # Held where it can be found; in the later phases a rollout stays long enough by itself.
    holds = {"create": "init", "smoke": "smoke", "load": "rollout", "mirror": "", "traffic-10": ""}
    killed = []
    with world.callers() as calling:
        for phase in (*holds, "traffic-50", "traffic-100"):
            world.fault(v4={"hold": holds.get(phase, "")})
            rollout = world.begin()
            world.wait_for_phase(phase)
            rollout.kill()
            rollout.join()
            view = world.view()
            assert view.in_progress
            killed.append(view.in_progress.phase)
            assert sum(view.traffic.values()) == FULL
        rollout = world.begin()
        rollout.join()
        failed = calling.failed_at(world.name_of("4"))

    assert killed == ["create", "smoke", "load", "mirror", "traffic-10", "traffic-50", "traffic-100"]
    assert rollout.exitcode == 0
    assert world.live_version() == "4"
    assert failed == 0


@pytest.mark.long
def test_what_only_callers_meet_is_seen_however_short_the_mirror(world: World) -> None:
    # given a deployment that is as it should be for all tests of it
    rate = world.bearable_rate()
    world.release("2", soak_seconds=CALLS_DURING_MIRROR / rate, mirror_percentage=50)
    world.fault(v2={"status": 500, "for": "caller"})

    with world.callers(rate) as calling, pytest.raises(RolloutFailed) as caught:
        world.deploy()

    assert "SLO not met with mirrored traffic: metrics: " in caught.value.message
    assert not calling.failures
    assert world.live_version() == "1"


def test_new_deployment_that_never_becomes_healthy_gets_no_traffic(world: World) -> None:
    world.register("3")
    world.release("3", **AT_ONCE)
    world.fault(v3={"refuse": True})

    with world.callers() as calling, pytest.raises(RolloutFailed) as caught:
        world.deploy()

    assert world.live_version() == "1"
    assert not calling.failures
    assert {each.deployment for each in calling.answers} == {world.name_of("1")}
    assert "failed to start" in caught.value.message
    assert "RuntimeError: no model here" in "\n".join(caught.value.details)
    assert "still names version 3" in caught.value.advice
    # and healed it is made anew
    world.fault()
    world.deploy()
    assert world.live_version() == "3"


@pytest.mark.parametrize(
    ("number", "options", "code", "said"),
    [
        (signal.SIGINT, (), INTERRUPTED, "interrupted (Ctrl-C)"),
        (signal.SIGTERM, ("--json",), TERMINATED, '{"error"'),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_stopped_command_returns_the_traffic(
    world: World, number: signal.Signals, options: tuple[str, ...], code: int, said: str
) -> None:
    world.release("2", **soaking(50, 100))
    world.log.write_text("")
    with world.callers() as calling:
        rollout = world.begin(*options)
        world.wait_for(share("2", 50))
        assert rollout.pid
        os.kill(rollout.pid, number)
        rollout.join()

        assert rollout.exitcode == code
        assert world.live_version() == "1"
        assert calling.failed_at(world.name_of("2")) == 0
    assert said in world.log.read_text()


def test_command_stopped_while_its_deployment_is_made_leaves_the_traffic(world: World) -> None:
    world.register("5")
    world.release("5")
    world.fault(v5={"hold": "init"})
    rollout = world.begin()
    world.wait_for(lambda view: any(one.model_version == "5" and one.busy for one in view.deployments.values()))
    assert rollout.pid
    os.kill(rollout.pid, signal.SIGINT)
    rollout.join()

    assert rollout.exitcode == INTERRUPTED
    assert world.live_version() == "1"
    world.fault()
    world.wait_for(lambda view: not any(one.busy for one in view.deployments.values()))


def test_another_rollout_is_refused_unless_it_takes_over(world: World) -> None:
    # given a rollout that goes on
    world.release("2", **soaking(50, 100))
    rollout = world.begin()
    world.wait_for(share("2", 50))
    world.release("2", **AT_ONCE)

    # when another begins, it is refused
    with pytest.raises(RolloutFailed, match="another rollout of rollouts-staging is in progress") as caught:
        world.deploy()
    assert "--take-over" in caught.value.advice

    # and when it takes over, the first one ends without a change
    world.deploy(take_over=True)
    rollout.join()
    assert rollout.exitcode == FAILED
    assert world.live_version() == "2"


def test_two_that_begin_at_once_end_with_one_release_made_by_one(world: World) -> None:
    # given a release whose deployment is not up before both have begun
    world.register("6")
    world.release("6", **AT_ONCE)
    world.fault(v6={"hold": "init"})
    world.log.write_text("")

    # when two begin
    rollouts = [world.begin(), world.begin()]
    world.wait_for(lambda _: not all(rollout.is_alive() for rollout in rollouts))
    world.fault()
    for rollout in rollouts:
        rollout.join()

    # then one has seen that it is not alone, and the other has gone on
    said = world.log.read_text()
    assert sorted(rollout.exitcode or 0 for rollout in rollouts) == [0, FAILED], said
    assert "is in progress" in said or "was ended or taken over elsewhere" in said
    assert world.live_version() == "6"


def test_bytes_that_are_not_the_released_ones_change_nothing(world: World) -> None:
    world.release("2", digest="sha256:" + "0" * 64)
    before = world.view()

    with pytest.raises(RolloutFailed, match=r"but sha256:0+ was released"):
        world.deploy()

    assert world.view() == before


def test_version_that_is_not_in_the_registry_changes_nothing(world: World) -> None:
    world.release("99", digest=world.digests["2"])
    before = world.view()

    with pytest.raises(WorkspaceError, match="no version 99 of model tiny"):
        world.deploy()

    assert world.view() == before


def test_stage_without_a_release_says_what_to_do(world: World) -> None:
    world.manifest.write_text(yaml.safe_dump(yaml.safe_load(world.manifest.read_text()) | {"release": None}))

    with pytest.raises(ProjectError, match="nothing is released to staging yet"):
        world.deploy()
    with pytest.raises(InputError, match="not --version"):
        world.deploy(version="2")
