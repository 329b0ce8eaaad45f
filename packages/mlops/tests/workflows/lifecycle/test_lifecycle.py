"""One lifecycle, from a push to a rollback, through the workflow files of both CI systems, with the same outcome."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefork_uv import prefork_uv

from azureml_emulator.testing import running_emulator

from .environment import LifecycleEnvironment, System, create_environment
from .lifecycle import run_lifecycle
from .trained_state import train

# One worker trains, for both systems.
pytestmark = pytest.mark.xdist_group("lifecycle")


@pytest.fixture(scope="session")
def trained_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of an emulator that has trained; it is not running, and tests copy the folder."""
    folder = tmp_path_factory.mktemp("trained")
    train(folder / "state", folder / "project")
    return folder / "state"


@pytest.fixture
def environment(system: System, trained_state: Path, tmp_path: Path) -> Iterator[LifecycleEnvironment]:
    shutil.copytree(trained_state, tmp_path / "state")
    with prefork_uv() as uv, running_emulator(tmp_path / "state") as emulator:
        yield create_environment(system, tmp_path, uv, emulator.variables)


@pytest.mark.parametrize("system", ["github", pytest.param("azure", marks=pytest.mark.long)])
def test_both_systems_have_the_same_lifecycle(environment: LifecycleEnvironment) -> None:
    run_lifecycle(environment)
