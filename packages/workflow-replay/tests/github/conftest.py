"""A fixture that commits a workflow to a real repository and replays it."""

from collections.abc import Callable
from typing import Any

import pytest

from workflow_replay.events import Push
from workflow_replay.github import replay
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run
from workflow_replay.testing import Origin

FILE = ".github/workflows/ci.yml"
MAIN = Push("refs/heads/main")
Replay = Callable[..., Run]


@pytest.fixture
def replayed(origin: Origin) -> Replay:
    """Replay a workflow, with a default for `on`, next to other `files`."""

    def run(text: str, event: Any = MAIN, files: dict[str, str] | None = None, **host: Any) -> Run:
        head = "" if text.startswith(("on:", "\non:")) else "on: [push, pull_request]\n"
        origin.commit({FILE: head + text, **(files or {})})
        return replay(origin.bare, FILE, event, HostEnvironment(**host))

    return run


def conclusions(run: Run) -> dict[str, str]:
    """The conclusion of each job."""
    return {job.id: job.conclusion for job in run.jobs}
