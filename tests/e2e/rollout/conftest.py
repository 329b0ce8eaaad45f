"""One emulator and one stage for all tests of rollouts; each begins with version 1 live and ends with one live."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from azureml_emulator.testing import running_emulator

from .world import World, make_project


@pytest.fixture(scope="package")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("rollout")
    try:
        with running_emulator(folder / "state", mlflow_start="late") as emulator:
            os.environ.update(emulator.variables)
            make_project(folder / "project", "rollouts")
            world = World(emulator, folder / "project")
            for version in "12":
                world.register(version)
            yield world
    finally:
        # Other tests of this process must meet nothing of it.
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def world(shared_world: World) -> World:
    """Version 1 is live; version 2 is what the stage's release says."""
    shared_world.settle("1")
    shared_world.release("2")
    return shared_world
