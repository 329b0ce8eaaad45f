"""One emulator and one stage for all tests of rollouts; each begins with version 1 live and ends with one live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from process_variables import variables_set

from azureml_emulator.testing import running_emulator

from .world import World, make_project


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rollout")
    with running_emulator(folder / "state", background_start="lazy") as emulator:
        make_project(folder / "project", "rollouts")
        with variables_set(emulator.variables):
            world = World(emulator, folder / "project")
            for version in "12":
                world.register(version)
        yield world


@pytest.fixture(scope="module", autouse=True)
def _led_there(shared_world: World) -> Iterator[None]:
    """This process asks that emulator while tests of rollouts run: other tests must meet nothing of it."""
    with variables_set(shared_world.emulator.variables):
        yield


@pytest.fixture
def world(shared_world: World) -> World:
    """Version 1 is live; version 2 is what the stage's release says."""
    shared_world.settle("1")
    shared_world.release("2")
    return shared_world
