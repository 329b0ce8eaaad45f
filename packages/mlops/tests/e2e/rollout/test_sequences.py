"""Random sequences of releases, faults, kills, rollbacks and reverts on a real endpoint, and what always holds.

A few, from known seeds; tests/mlops/rollout/test_sequences.py has hundreds of them on an endpoint in memory.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from mlops.core.errors import RolloutFailed
from mlops.endpoint.view import FULL
from mlops.rollout.rollback import rollback

from .world import AT_ONCE, World, soaking

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("rollout"), pytest.mark.timeout(900)]

SEEDS = (3, 11)
STEPS = 4
VERSIONS = ("1", "2")
# A rollout of what is up already takes a second or two: somewhere in it.
KILLED_WITHIN_SECONDS = (0.5, 2.0)
# What the one before left unfinished may be all that the first does.
TRIES = 2

Happening = Callable[[World, random.Random], None]


def release(world: World, chance: random.Random) -> None:
    """Git says another version, and it is rolled out to the end."""
    world.release(chance.choice(VERSIONS), **soaking(50, FULL, seconds=0.0))
    world.commit("Release")
    end_rollout(world)


def end_rollout(world: World) -> None:
    # It may fail, for a fault or for what another left; what it leaves is checked by whoever asked for it.
    with suppress(RolloutFailed):
        world.deploy()


def stopped(number: signal.Signals) -> Happening:
    """A rollout of another version that is stopped somewhere."""

    def happen(world: World, chance: random.Random) -> None:
        world.release(chance.choice(VERSIONS), **soaking(50, FULL, seconds=0.0))
        world.commit("Release")
        rollout = world.begin()
        time.sleep(chance.uniform(*KILLED_WITHIN_SECONDS))
        if rollout.is_alive():
            assert rollout.pid
            os.kill(rollout.pid, number)
        rollout.join()

    return happen


def breaks(world: World, chance: random.Random) -> None:
    """A version that nobody is served by breaks; its release has to fail."""
    view = world.view()
    idle = [one.model_version for name, one in view.deployments.items() if not view.traffic.get(name)]
    world.fault(**{f"v{version}": {"status": 500} for version in idle})
    release(world, chance)
    world.fault()


def go_back(world: World, _: random.Random) -> None:
    """`mlops rollback`, where there is anything to go back to."""
    with suppress(RolloutFailed):
        rollback(world.client, world.project, world.stage, "a bad day")


HAPPENINGS: dict[str, Happening] = {
    "release": release,
    "kill": stopped(signal.SIGKILL),
    "Ctrl-C": stopped(signal.SIGINT),
    "fault": breaks,
    "rollback": go_back,
}


def assert_somebody_serves_everybody(world: World) -> None:
    view = world.view()
    serving = {name: share for name, share in view.traffic.items() if share}
    assert sum(serving.values()) == FULL
    assert serving.keys() <= view.deployments.keys()
    assert all(world.is_up(view.deployments[name].model_version) for name in serving)


def bring_about(world: World) -> str:
    """Roll out what git says; the digest that is live then."""
    for _ in range(TRIES):
        end_rollout(world)
    view = world.view()
    assert world.live_version()
    return view.deployments[view.live or ""].digest


@pytest.mark.parametrize("seed", SEEDS)
def test_random_sequence_always_serves_and_a_revert_brings_the_old_digest_back(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a sequence to be repeated
    world.settle("2", before="1")
    happened = []
    for _ in range(STEPS):
        name = chance.choice(sorted(HAPPENINGS))
        happened.append(name)
        HAPPENINGS[name](world, chance)
        assert_somebody_serves_everybody(world)

    # when a release goes on and is reverted
    old, new = chance.sample(VERSIONS, 2)
    digests = []
    for version in (old, new):
        world.release(version, **AT_ONCE)
        world.commit(f"Release {version}")
        digests.append(bring_about(world))
    world.revert()

    # then the old digest serves again
    assert digests == [world.digests[old], world.digests[new]], happened
    assert bring_about(world) == world.digests[old], happened
