"""A training job from pipelines/train.yml, with the inputs that say where data and code come from.

The job carries what is needed to register its model, so that another process can do it. Data files on this machine (the
generated sample, the held-out rows of a job) are written here. Waiting for the job is left to following.py.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import PipelineJob
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError, ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import InputError, JobFailed, MachineError, ProjectError
from mlops.core.layout import PIPELINE_FILE, ROWS_FOLDER, SAMPLE_FOLDER, SAMPLE_GENERATOR, private_folder
from mlops.models.data_asset import DataVersion
from mlops.settings.project import Project, Stage
from model_package.digest import file_sha256

_TIME_FORMAT = "%Y%m%d-%H%M%S"
_SUFFIX_BYTES = 2
_DATA_NAME, _DATA_VERSION, _DATA_SHA256 = "data_name", "data_version", "data_sha256"
_GIT_COMMIT, _NEW_DATA = "git_commit", "new_data"
_YES, _NO = "true", "false"


@dataclass(frozen=True)
class Order:
    """What a job is to run on, under which name; `is_new_data` when the data were registered for it.

    `fresh`: no step is taken over from an earlier job, whoever ran that.
    """

    job_name: str
    data: DataVersion
    is_new_data: bool
    git_commit: str
    fresh: bool = False


@dataclass(frozen=True)
class SubmittedJob:
    """A job that the workspace has accepted; `steps` in the order of the pipeline file."""

    order: Order
    steps: tuple[str, ...]
    studio_url: str | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        return self.order.job_name


def new_job_name(project_name: str) -> str:
    """A name for a new job, chosen here so that a job can be cancelled even while it is being submitted."""
    now = datetime.now(UTC).strftime(_TIME_FORMAT)
    return f"{project_name}-{now}-{secrets.token_hex(_SUFFIX_BYTES)}"


def submit(
    client: MLClient, project: Project, stage: Stage, order: Order, parameters: Mapping[str, float]
) -> SubmittedJob:
    """Hand over the pipeline for an order (`parameters`: the inputs that differ from their defaults)."""
    job = training_job(project, stage, order, parameters)
    steps = tuple(job.jobs)
    with suppress_output():
        accepted = client.jobs.create_or_update(job)
    return SubmittedJob(order, steps, accepted.studio_url)


def training_job(project: Project, stage: Stage, order: Order, parameters: Mapping[str, float]) -> PipelineJob:
    """The pipeline of the project's file, with its inputs set. Raises ProjectError for a file that is none."""
    settings, data = project.settings, order.data
    overrides = [
        *({f"inputs.{name}": value} for name, value in parameters.items()),
        {"name": order.job_name},
        {"experiment_name": settings.name},
        {"settings.default_compute": f"azureml:{stage.compute}"},
        {"inputs.data": {"type": AssetTypes.URI_FILE, "path": data.reference}},
        {"inputs.data_name": data.name},
        {"inputs.data_version": data.version},
        {"inputs.data_sha256": data.sha256},
        {"inputs.git_commit": order.git_commit},
        *([{"settings.force_rerun": True}] if order.fresh else ()),
    ]
    job = load_job(project.required_file(PIPELINE_FILE), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{PIPELINE_FILE} is no pipeline job", "It needs `type: pipeline`.")
    job.tags = {**(job.tags or {}), **_tags(order)}
    return job


def find_submitted(client: MLClient, job_name: str) -> SubmittedJob:
    """A job that was submitted before. Raises InputError when there is none, or none of `mlops train`."""
    try:
        job = client.jobs.get(job_name)
    except ResourceNotFoundError as error:
        raise InputError(
            f"there is no job '{job_name}' in the workspace", "`mlops train --submit` prints the name of a new one."
        ) from error
    tags = job.tags or {}
    if not isinstance(job, PipelineJob) or not {_DATA_NAME, _DATA_VERSION, _DATA_SHA256, _GIT_COMMIT} <= set(tags):
        raise InputError(
            f"job {job_name} was not submitted by `mlops train`", "Submit one with `mlops train --submit`."
        )
    data = DataVersion(tags[_DATA_NAME], tags[_DATA_VERSION], tags[_DATA_SHA256])
    order = Order(job_name, data, tags.get(_NEW_DATA) == _YES, tags[_GIT_COMMIT])
    return SubmittedJob(order, tuple(job.jobs), job.studio_url)


def _tags(order: Order) -> dict[str, str]:
    return {
        _DATA_NAME: order.data.name,
        _DATA_VERSION: order.data.version,
        _DATA_SHA256: order.data.sha256,
        _GIT_COMMIT: order.git_commit,
        _NEW_DATA: _YES if order.is_new_data else _NO,
    }


_OUTPUT: Final = "split_data"
_TEST_PART: Final = "test.parquet"
# A job's name comes out of an artefact and becomes the name of a file here.
_JOB_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


def held_out_file(client: MLClient, project: Project, job: str) -> Path:
    """The parquet file with the held-out rows of a job. Raises JobFailed when the job has left none."""
    if not _JOB_NAME.fullmatch(job):
        raise JobFailed(f"'{job[:80]}' is no name of a job", "The package's provenance.json must name its job.")
    file = private_folder(project.path(ROWS_FOLDER)) / f"{job}.parquet"
    if file.is_file():
        return file
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="unfinished-") as folder:
        try:
            with suppress_output():
                client.jobs.download(job, download_path=folder, output_name=_OUTPUT)
        except (AzureError, MlException) as error:
            raise JobFailed(
                f"job {job} has no output {_OUTPUT} to judge a model by: {str(error).splitlines()[0]}",
                "Train again with this pipeline; it publishes the split with every job.",
            ) from error
        found = sorted(Path(folder).rglob(_TEST_PART))
        if len(found) != 1:
            raise JobFailed(f"the output {_OUTPUT} of job {job} holds {len(found)} files {_TEST_PART}, not one")
        found[0].replace(file)
    return file


_KEY_CHARACTERS = 12
_ERROR_LINES = 15


def sample_file(project: Project) -> Path:
    """The generated sample; generates it when the generator has changed or never ran. Raises MachineError."""
    generator = project.required_file(SAMPLE_GENERATOR)
    folder = private_folder(project.path(SAMPLE_FOLDER))
    file = folder / f"sample-{file_sha256(generator)[:_KEY_CHARACTERS]}.csv"
    if not file.is_file():
        _generate(generator, file)
    return file


def _generate(generator: Path, file: Path) -> None:
    # Under another name first: an interrupted run must not leave half a sample behind.
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    done = subprocess.run(
        [sys.executable, str(generator), "--out", str(unfinished)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise MachineError(
            f"{generator} failed with exit code {done.returncode}",
            "Correct the generator, or give a file with --data.",
            tuple(done.stderr.splitlines()[-_ERROR_LINES:]),
        )
    unfinished.replace(file)
