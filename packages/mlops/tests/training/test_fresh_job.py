"""A training without reuse, on several machines or with Spark: what the workspace is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops.core.errors import InputError
from mlops.models.data_asset import DataVersion
from mlops.settings.project import Project, load_project
from mlops.training.submission import Order, training_job

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


ORDER = Order("job-1", DataVersion("credit-default", "1", "0" * 64), is_new_data=False, git_commit="f" * 40)


def test_the_job_asks_for_it_only_when_told(project: Project) -> None:
    jobs = [
        training_job(project, project.settings.stage("dev"), each, {}) for each in (ORDER, replace(ORDER, fresh=True))
    ]

    assert [bool(job.settings and job.settings.force_rerun) for job in jobs] == [False, True]
    assert {job.name for job in jobs} == {"job-1"}


def test_another_pipeline_is_named_by_its_file(project: Project) -> None:
    job = training_job(project, project.settings.stage("dev"), replace(ORDER, pipeline="distributed"), {})

    step = job.jobs["train_model"]
    assert step.component.display_name == "Train model on several machines"
    assert step.resources.instance_count == 2
    with pytest.raises(InputError, match=r"there is no pipelines/train\.nowhere\.yml") as caught:
        training_job(project, project.settings.stage("dev"), replace(ORDER, pipeline="nowhere"), {})
    assert "distributed" in caught.value.advice


def test_the_mode_of_the_data_is_that_of_the_pipelines_file(project: Project) -> None:
    modes = {
        pipeline: training_job(project, project.settings.stage("dev"), replace(ORDER, pipeline=pipeline), {})
        .inputs["data"]
        .mode
        for pipeline in ("", "spark")
    }

    assert modes == {"": None, "spark": "direct"}
