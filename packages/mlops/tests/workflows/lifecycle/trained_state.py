"""The state of an emulator in which both training jobs of the lifecycle have run, so that later jobs reuse their steps.

Training is half of the work of a lifecycle, and is the same for both CI systems.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from prefork_programs import run_module
from process_variables import variables_set

from azureml_emulator.testing import running_emulator
from mlops.azure.workspace import connect
from mlops.core.waiting import poll
from mlops.settings.project import load_project

from .project_copy import ANOTHER_SEED, FEWER_TREES, changed, copy_project

COMPLETED = "Completed"
ENDED = {COMPLETED, "Failed", "Canceled"}


def train(state: Path, project: Path) -> None:
    """Run both training jobs in an emulator on `state`, with a copy of the project in `project`; register no model."""
    copy_project(project)
    with running_emulator(state) as emulator:
        jobs = [_submit(project, name, emulator.variables) for name in (FEWER_TREES, ANOTHER_SEED)]
        for job in jobs:
            _wait(project, job, emulator.variables)


def _submit(project: Path, change: str, variables: Mapping[str, str]) -> str:
    for name, text in changed(project, change).items():
        (project / name).write_text(text)
    _mlops(project, variables, "check", "--fix")
    return json.loads(_mlops(project, variables, "train", "--submit", "--json"))["job"]


def _mlops(project: Path, variables: Mapping[str, str], *words: str) -> str:
    done = run_module("mlops", *words, folder=project, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait(project: Path, job: str, variables: Mapping[str, str]) -> None:
    with variables_set(variables):
        client = connect(load_project(project).settings.stages[0])
        for _ in poll():
            status = str(client.jobs.get(job).status)
            if status in ENDED:
                assert status == COMPLETED
                return
