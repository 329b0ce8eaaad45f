"""A fixture that commits a pipeline file to a real repository and replays it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workflow_replay.azure import replay
from workflow_replay.events import Event, Push
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"


@pytest.fixture
def replayed(origin: Origin) -> Callable[..., Run]:
    def run(text: str, event: Event | None = None, host: HostEnvironment | None = None) -> Run:
        origin.commit({FILE: text})
        return replay(origin.bare, FILE, event or Push("refs/heads/main"), host)

    return run
