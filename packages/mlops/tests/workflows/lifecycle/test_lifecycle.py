"""One lifecycle, from a push to a rollback, through the workflow files of both CI systems, with the same outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefork_uv import prefork_uv

from azureml_emulator.testing import running_emulator

from .environment import LifecycleEnvironment, System, create_environment
from .lifecycle import run_lifecycle

SYSTEMS = [
    pytest.param("github", marks=pytest.mark.xdist_group("lifecycle-github")),
    pytest.param("azure", marks=[pytest.mark.xdist_group("lifecycle-azure"), pytest.mark.long]),
]


@pytest.fixture
def environment(system: System, tmp_path: Path) -> Iterator[LifecycleEnvironment]:
    with prefork_uv() as uv, running_emulator(tmp_path / "state") as emulator:
        yield create_environment(system, tmp_path, uv, emulator.variables)


@pytest.mark.parametrize("system", SYSTEMS)
def test_both_systems_have_the_same_lifecycle(environment: LifecycleEnvironment) -> None:
    run_lifecycle(environment)
