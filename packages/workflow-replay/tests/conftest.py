"""A real repository for the workflows to replay."""

from pathlib import Path

import pytest

from workflow_replay.testing import Origin


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "repository")
