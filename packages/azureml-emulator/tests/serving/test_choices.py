"""How far it goes in answering as Azure does is chosen on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.control.ready_file import ReadyFile

pytestmark = pytest.mark.xdist_group("serving")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "azureml_emulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_choice_is_taken_from_the_command_line(tmp_path: Path) -> None:
    # when an emulator is started with it
    state = ["--state", str(tmp_path / "state")]
    chosen = ("--model-errors", "as-azure", "--endpoint-operations", "one-at-a-time")
    started = run("start", *state, *chosen)
    try:
        # then it runs with it
        assert started.returncode == 0, started.stderr
        record = ReadyFile(tmp_path / "state").read()
        assert record is not None
        assert record.settings.model_errors == "as_azure"
        assert record.settings.endpoint_operations == "one_at_a_time"
    finally:
        run("stop", *state)


def test_another_word_is_refused_with_those_there_are(tmp_path: Path) -> None:
    refused = run("start", "--state", str(tmp_path / "state"), "--model-errors", "hidden")
    assert refused.returncode == 2
    assert "as-azure" in refused.stderr
