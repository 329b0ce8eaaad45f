"""A deployment that takes long to make, at an endpoint that refuses every change until it is there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from process_variables import variables_set

from azureml_emulator.testing import running_emulator
from mlops.core.errors import RolloutFailed
from mlops.rollout.execute import write_change
from mlops.rollout.lease import LEASE_SECONDS, Change, held_by_another, lease_in

from .world import AT_ONCE, World, make_project

pytestmark = [pytest.mark.xdist_group("rollout"), pytest.mark.timeout(900)]
ELSEWHERE = "somebody@elsewhere:1:x"
# More than a lease lasts that is renewed.
PATIENCE_SECONDS = 2 * LEASE_SECONDS
SLOWLY: dict[str, Any] = AT_ONCE | {"progress_deadline_seconds": PATIENCE_SECONDS}


@pytest.fixture
def strict_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stage whose endpoint knows one operation at a time; nothing is released to it yet."""
    folder = tmp_path_factory.mktemp("strict")
    state = folder / "state"
    with running_emulator(state, background_start="lazy", endpoint_operations="one_at_a_time") as emulator:
        make_project(folder / "project", "strict")
        with variables_set(emulator.variables):
            world = World(emulator, folder / "project")
            world.register("1")
            yield world


def test_lease_outlasts_the_making_of_a_deployment_without_a_renewal(strict_world: World) -> None:
    # given a rollout whose deployment is being made
    world = strict_world
    world.release("1", **SLOWLY)
    world.fault(v1={"hold": "init"})
    rollout = world.begin()
    view = world.wait_for(lambda view: any(one.busy for one in view.deployments.values()))
    begun = lease_in(view.tags)

    # when anybody wants to change the endpoint, it is refused, be it to renew the lease
    with pytest.raises(HttpResponseError) as refused:
        write_change(world.client, world.endpoint, Change(view.traffic, view.mirror, view.tags))
    assert refused.value.status_code == HTTPStatus.CONFLICT

    # then nobody else may begin, now or at any time until the deployment counts as failed
    with pytest.raises(RolloutFailed, match="another rollout of strict-staging is in progress"):
        world.deploy()
    assert view.in_progress
    given_up = view.in_progress.since + timedelta(seconds=PATIENCE_SECONDS)
    assert held_by_another(view.tags, ELSEWHERE, given_up) == begun

    # and the one that began goes on by itself
    world.fault()
    rollout.join()
    assert rollout.exitcode == 0, world.log.read_text()
    assert world.live_version() == "1"
