"""The lifecycle with `server: granian`: released through all stages, a bad model blocked, and one rolled back."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from azureml_emulator.processes.private_network import has_private_networks

from .conftest import ROOT, Clone, git, make_clone

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(not has_private_networks(), reason="this machine cannot make networks: containers are off"),
]


@pytest.fixture
def clone(tmp_path: Path) -> Generator[Clone]:
    clone = make_clone(ROOT, tmp_path / "project")
    settings = clone.folder / "project.yml"
    settings.write_text(re.sub(r"^registry:.*$", r"\g<0>\nserver: granian", settings.read_text(), flags=re.MULTILINE))
    git(clone.folder, "commit", "-qam", "Serve with granian")
    try:
        yield clone
    finally:
        clone.mlops("down")


def test_a_release_reaches_production_and_bad_models_do_not(clone: Clone, data_file: Path) -> None:
    answer = clone.document("demo", "--bad-model", "--data", str(data_file))

    back = answer["bad_model"]["rolled_back"]
    assert answer["bad_model"]["stopped_by_gate"]["blocking"]
    assert "is not released to prod" in back["reason"]
    assert (back["live_after"], back["failures"]) == (back["live_before"], {})
    stages = answer["stages"].values()
    assert all(stage["traffic"][stage["deployment"]] == 100 for stage in stages)
    logs = (clone.folder / ".mlops").rglob("log.txt")
    assert any("Starting granian" in log.read_text(errors="replace") for log in logs)
