"""A pipeline file, committed to a real repository and replayed for a push."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workflow_replay.azure import replay
from workflow_replay.events import Event, Push
from workflow_replay.record import Run
from workflow_replay.surroundings import Surroundings
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"


@pytest.fixture
def play(origin: Origin) -> Callable[..., Run]:
    def committed(text: str, event: Event | None = None, around: Surroundings | None = None) -> Run:
        origin.commit({FILE: text})
        return replay(origin.bare, FILE, event or Push("refs/heads/main"), around)

    return committed
