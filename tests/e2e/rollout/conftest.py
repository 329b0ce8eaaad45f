"""One emulator and one stage for all tests of rollouts; each begins with version 1 live and ends with one live."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest

from azureml_emulator.testing import running_emulator

from .world import World, make_project


@pytest.fixture(scope="package")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    before = dict(os.environ)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlops.commands.deploy", "mlops.rollout.deploy", "mlops.workspace"])
    folder = tmp_path_factory.mktemp("rollout")
    with running_emulator(folder / "state") as emulator:
        os.environ.update(emulator.variables)
        # The SDK remembers the last cloud in a variable; it must not come from, or reach, other tests.
        os.environ.pop("AZUREML_CURRENT_CLOUD", None)
        make_project(folder / "project", "rollouts")
        world = World(emulator, folder / "project")
        for version in "12":
            world.register(version)
        yield world
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def world(shared_world: World) -> World:
    """Version 1 is live; version 2 is what the stage's release says."""
    shared_world.settle("1")
    shared_world.release("2")
    return shared_world
