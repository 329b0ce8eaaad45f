"""A training without reuse: what the workspace is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops.models.data_asset import DataVersion
from mlops.settings.project import Project, load_project
from mlops.training.submission import Order, training_job

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


def test_the_job_asks_for_it_only_when_told(project: Project) -> None:
    order = Order("job-1", DataVersion("credit-default", "1", "0" * 64), is_new_data=False, git_commit="f" * 40)

    jobs = [
        training_job(project, project.settings.stage("dev"), each, {}) for each in (order, replace(order, fresh=True))
    ]

    assert [bool(job.settings and job.settings.force_rerun) for job in jobs] == [False, True]
    assert {job.name for job in jobs} == {"job-1"}
