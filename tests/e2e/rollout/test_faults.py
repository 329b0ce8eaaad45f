"""Rollouts that meet misfortune under load: callers of the live deployment notice nothing, one release is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mlops.errors import InputError, ProjectError, RolloutFailed, WorkspaceError
from mlops.rollout.view import View

from .callers import Callers
from .world import World

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rollout")]

FAILED = 5
INTERRUPTED = 130
TERMINATED = 143
PHASES = ("create", "smoke", "load", "mirror", "traffic-10", "traffic-50", "traffic-100")
# After traffic is back, answers of requests under way may still come.
SETTLE_SECONDS = 0.5
OUTAGE_SECONDS = 4


def share(version: str, percent: int) -> Callable[[View], bool]:
    """Whether a version has that share of the traffic."""

    def condition(view: View) -> bool:
        named = [name for name, one in view.deployments.items() if one.model_version == version]
        return any(view.traffic.get(name) == percent for name in named)

    return condition


def name_of(world: World, version: str) -> str:
    return next(name for name, one in world.view().deployments.items() if one.model_version == version)


def assert_live_ones_callers_noticed_nothing(calling: Callers, new: str) -> None:
    time.sleep(SETTLE_SECONDS)
    assert {name for _, name in calling.failures} <= {new}, calling.failures
    recent = [status for when, status, _ in calling.answers if when > time.time() - SETTLE_SECONDS / 2]
    assert recent
    assert set(recent) == {200}


def test_new_release_reaches_everybody_without_a_failed_request(world: World) -> None:
    with world.callers() as calling:
        result = world.deploy()
        time.sleep(SETTLE_SECONDS)

    assert world.live_version() == "2"
    assert result.traffic[result.deployment] == 100
    assert not calling.failures
    assert {name for _, _, name in calling.answers} == {"blue", "green"}
    assert calling.per_second > 190
    # and again there is nothing to do
    assert world.deploy().actions == ()


def test_new_deployment_that_never_becomes_healthy_gets_no_traffic(world: World) -> None:
    world.register("3")
    world.release("3")
    world.fault(v3={"mode": "refuse"})

    with world.callers() as calling, pytest.raises(RolloutFailed) as caught:
        world.deploy()

    assert world.live_version() == "1"
    assert not calling.failures
    assert "did not come up" in caught.value.message
    assert "RuntimeError: no model here" in "\n".join(caught.value.details)
    assert "still says version 3" in caught.value.advice
    # and healed it is made anew
    world.fault()
    world.deploy()
    assert world.live_version() == "3"


@pytest.mark.parametrize(
    ("percent", "fault"),
    [(50, {"mode": "error"}), (10, {"mode": "slow", "seconds": 1.0}), (100, {"mode": "error"})],
    ids=["500s at 50 %", "slow at 10 %", "500s at 100 %"],
)
def test_new_deployment_that_breaks_in_a_step_is_left_at_once(
    world: World, percent: int, fault: dict[str, Any]
) -> None:
    world.release("2", soak_seconds=1.0)
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", percent))
        broken = time.time()
        world.fault(v2=fault)
        rollout.join()

        assert rollout.exitcode == FAILED
        assert world.live_version() == "1"
        assert_live_ones_callers_noticed_nothing(calling, name_of(world, "2"))
    assert all(when < broken + 3 for when, status, _ in calling.answers if status != 200)


def test_killed_server_in_a_step_leaves_one_release_whole(world: World) -> None:
    world.release("2", soak_seconds=1.0)
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", 50))
        os.kill(world.server_of(name_of(world, "2")), signal.SIGKILL)
        rollout.join()

        assert world.live_version() in {"1", "2"}
        assert_live_ones_callers_noticed_nothing(calling, name_of(world, "2"))


def test_connection_that_drops_for_a_while_leaves_one_release_whole(world: World) -> None:
    world.release("2", soak_seconds=1.0)
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(share("2", 50))
        world.emulator.kill()
        time.sleep(OUTAGE_SECONDS)
        world.emulator.restart()
        back = time.time()
        rollout.join()

        assert world.live_version() in {"1", "2"}
        time.sleep(SETTLE_SECONDS)
        # Nobody could be served while the way was cut; from then on everybody is.
        late = [status for when, status, _ in calling.answers if when > back + 2 and status != 200]
        assert not late


def test_command_killed_in_every_phase_and_run_again_ends_the_rollout(world: World) -> None:
    world.register("4")
    world.release("4")
    # Slow until it is smoked, so that the phase can be seen; then as fast as its callers need.
    world.fault(v4={"mode": "slow", "seconds": 0.2})
    with world.callers() as calling:
        for phase in PHASES:
            rollout = world.begin()
            world.wait_for(lambda view, phase=phase: view.going_on is not None and view.going_on.phase == phase)
            rollout.kill()
            rollout.join()
            if phase == "smoke":
                world.fault()
            assert sum(world.view().traffic.values()) == 100
        rollout = world.begin()
        rollout.join()
        time.sleep(SETTLE_SECONDS)

    assert rollout.exitcode == 0
    assert world.live_version() == "4"
    assert not calling.failures


@pytest.mark.parametrize("phase", ["create", "traffic-50"])
def test_ctrl_c_returns_the_traffic(world: World, phase: str) -> None:
    world.release("2", soak_seconds=1.0)
    with world.callers() as calling:
        rollout = world.begin()
        world.wait_for(lambda view: view.going_on is not None and view.going_on.phase == phase)
        assert rollout.pid
        os.kill(rollout.pid, signal.SIGINT)
        rollout.join()

        assert rollout.exitcode == INTERRUPTED
        assert world.live_version() == "1"
        assert not calling.failures
    assert "interrupted (Ctrl-C)" in world.log.read_text()


def test_terminated_command_returns_the_traffic_and_exits_with_143(world: World) -> None:
    world.release("2", soak_seconds=5.0)
    command = [sys.executable, "-m", "mlops", "deploy", "--stage", world.stage, "--json"]
    process = subprocess.Popen(command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    world.wait_for(share("2", 10))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert process.returncode == TERMINATED
    assert world.live_version() == "1"
    assert "told to end (SIGTERM)" in err
    assert out.startswith('{"error"')


def test_another_rollout_is_refused_unless_it_takes_over(world: World) -> None:
    # given a rollout that goes on
    world.release("2", soak_seconds=4.0)
    rollout = world.begin()
    world.wait_for(share("2", 10))
    world.release("2")

    # when another begins, it is refused
    with pytest.raises(RolloutFailed, match="another rollout of rollouts-staging is under way") as caught:
        world.deploy()
    assert "--take-over" in caught.value.advice

    # and when it takes over, the first one ends without a change
    world.deploy(take_over=True)
    rollout.join()
    assert rollout.exitcode == FAILED
    assert world.live_version() == "2"


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
    file = world.folder / "releases" / "staging.yml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"release": None}))

    with pytest.raises(ProjectError, match="nothing is released to staging yet"):
        world.deploy()
    with pytest.raises(InputError, match="not by --version"):
        world.deploy(version="2")
