"""One lifecycle, from a push to a rollback: both CI systems and both servers have the same outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefork_uv import prefork_uv

from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.testing import running_emulator

from .environment import LifecycleEnvironment, System, create_environment
from .lifecycle import run_lifecycle
from .project_copy import DEFAULT_SERVER, Server

CASES = [
    pytest.param("github", DEFAULT_SERVER, marks=pytest.mark.xdist_group("lifecycle-github"), id="github"),
    pytest.param(
        "azure", DEFAULT_SERVER, marks=[pytest.mark.xdist_group("lifecycle-azure"), pytest.mark.long], id="azure"
    ),
    pytest.param(
        "github",
        "granian",
        marks=[
            pytest.mark.xdist_group("lifecycle-granian"),
            pytest.mark.long,
            pytest.mark.skipif(not has_private_networks(), reason="this machine cannot make networks for containers"),
        ],
        id="granian",
    ),
]


@pytest.fixture
def environment(system: System, server: Server, tmp_path: Path) -> Iterator[LifecycleEnvironment]:
    with prefork_uv() as uv, running_emulator(tmp_path / "state") as emulator:
        yield create_environment(system, server, tmp_path, uv, emulator.variables)


@pytest.mark.parametrize(("system", "server"), CASES)
def test_both_systems_and_both_servers_have_the_same_lifecycle(environment: LifecycleEnvironment) -> None:
    run_lifecycle(environment)
