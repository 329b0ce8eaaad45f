"""An emulator whose environment has no FLAML: an AutoML job fails and says what to install."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, running_emulator

# What the emulator's interpreter runs when it starts.
WITHOUT = """
import sys

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "flaml":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Without)
"""


def test_the_job_fails_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, submitter_of: Callable[[RunningEmulator], Any]
) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(WITHOUT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    rows = {"jobInputType": "mltable", "uri": "azureml://datastores/workspaceblobstore/paths/rows"}
    task: dict[str, Any] = {"taskType": "Classification", "targetColumnName": "churn", "trainingData": rows}
    task["trainingSettings"] = {"enableVoteEnsemble": True}

    with running_emulator(tmp_path / "state", background_start="lazy") as emulator:
        submitter = submitter_of(emulator)
        name = submitter.submit({"jobType": "AutoML", "experimentName": "tests", "taskDetails": task})
        ended = submitter.wait(name)

        assert ended["status"] == "Failed"
        message = ended["error"]["error"]["message"]
        assert message.startswith("AutoML needs flaml, which the emulator's environment does not have.")
        assert "uv sync --group automl" in message
        assert message in submitter.log(name)
        assert submitter.steps(name) == {}
        # What the job asks for and does not get is in its properties, where programs find it.
        assert ended["properties"] == {
            "emulator_differences": "No ensemble is made of the trials: the emulator's AutoML has none."
        }
