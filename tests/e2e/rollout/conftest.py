"""One emulator for all rollouts of a test process; each test group has an endpoint of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator

from .world import World, make_project


@pytest.fixture(scope="session")
def rollout_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    before = dict(os.environ)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlops.rollout.deploy", "mlops.workspace"])
    with running_emulator(tmp_path_factory.mktemp("emulator") / "state") as emulator:
        yield emulator
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def make_world(
    rollout_emulator: RunningEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], World]:
    for name, value in rollout_emulator.variables.items():
        monkeypatch.setenv(name, value)
    # The SDK remembers the last cloud in a variable; it must not outlive this test.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")

    def make(name: str) -> World:
        make_project(tmp_path / "project", name)
        return World(rollout_emulator, tmp_path / "project")

    return make
