"""The whole story, from a push to a rollback, played by the workflow files of both systems, to the same end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_uv import warm_uv

from azureml_emulator.testing import running_emulator

from .place import Place, System, make_place
from .story import tell

SYSTEMS = [pytest.param(name, marks=pytest.mark.xdist_group(f"story-{name}")) for name in ("github", "azure")]


@pytest.fixture
def place(system: System, tmp_path: Path) -> Iterator[Place]:
    with warm_uv() as uv, running_emulator(tmp_path / "state") as emulator:
        yield make_place(system, tmp_path, uv, emulator.variables)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_story_ends_the_same_on_both_systems(place: Place) -> None:
    tell(place)
