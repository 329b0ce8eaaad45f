"""One emulator and one stage for all tests of rollouts; each begins with version 1 live and ends with one live."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator

from .world import World, make_project


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rollout")
    with running_emulator(folder / "state", mlflow_start="late") as emulator:
        make_project(folder / "project", "rollouts")
        with _variables_of(emulator):
            world = World(emulator, folder / "project")
            for version in "12":
                world.register(version)
        yield world


@pytest.fixture(scope="module", autouse=True)
def _led_there(shared_world: World) -> Iterator[None]:
    """This process asks that emulator while tests of rollouts run: other tests must meet nothing of it."""
    with _variables_of(shared_world.emulator):
        yield


@contextmanager
def _variables_of(emulator: RunningEmulator) -> Generator[None]:
    before = dict(os.environ)
    os.environ.update(emulator.variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def world(shared_world: World) -> World:
    """Version 1 is live; version 2 is what the stage's release says."""
    shared_world.settle("1")
    shared_world.release("2")
    return shared_world
