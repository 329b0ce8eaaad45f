"""A training job from pipelines/train.yml or one beside it, with inputs that state where data and code come from.

The job carries what is needed to register its model, so that another process can do it. Local data files (a
sample, synthetic rows, the held-out rows of a job) are written here. following.py waits for the job.
"""

from __future__ import annotations

import importlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Final

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import PipelineJob
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError, ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import say
from mlops.core.documents import read_yaml, require_yaml
from mlops.core.edits import replacing
from mlops.core.errors import InputError, JobFailed, MachineError, ProjectError
from mlops.core.git import DIRTY_SUFFIX, UNKNOWN, Repository, git_commit
from mlops.core.layout import (
    PIPELINE_FILE,
    ROWS_FOLDER,
    SAMPLE_FOLDER,
    SAMPLE_GENERATOR,
    SCHEMA_FILE,
    private_folder,
)
from mlops.models.data_asset import DataVersion, ensure_data, find_data
from mlops.settings.project import Project, Stage, read_project_schema
from model_package.digest import file_sha256
from model_package.schema import Schema

_TIME_FORMAT = "%Y%m%d-%H%M%S"
_SUFFIX_BYTES = 2
_DATA_NAME, _DATA_VERSION, _DATA_SHA256 = "data_name", "data_version", "data_sha256"
_GIT_COMMIT, _NEW_DATA = "git_commit", "new_data"
_YES, _NO = "true", "false"
_FURTHER: Final = "train.*.yml"
_FILES_NAMED: Final = 5


@dataclass(frozen=True)
class Order:
    """What a job should run on, and its name; `is_new_data` if the data were registered for it.

    `fresh`: no step of an earlier job is reused. `pipeline`: which of pipelines/train.<pipeline>.yml it runs, "" for
    train.yml.
    """

    job_name: str
    data: DataVersion
    is_new_data: bool
    git_commit: str
    fresh: bool = False
    pipeline: str = ""


@dataclass(frozen=True)
class SubmittedJob:
    """A job that the workspace has accepted; `steps` in pipeline file order."""

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


def training_order(
    client: MLClient,
    project: Project,
    data: Path | str | None,
    job_name: str | None = None,
    *,
    fresh: bool = False,
    pipeline: str = "",
) -> tuple[Order, Path | None]:
    """What to run, and the local file if there is one. Raises InputError for an unknown pipeline or no such data."""
    pipeline_file(project, pipeline)
    Thread(target=_preload_imports, daemon=True).start()
    settings, commit = project.settings, git_commit(project.root)
    warn_of_uncommitted(project, commit)
    name = job_name or new_job_name(settings.name)
    if isinstance(data, str):
        return Order(name, find_data(client, settings.data, data), False, commit, fresh, pipeline), None
    file = data or default_data(project).file
    version, is_new = ensure_data(client, settings.data, file, columns=read_project_schema(project.root).columns)
    return Order(name, version, is_new, commit, fresh, pipeline), file


def warn_of_uncommitted(project: Project, commit: str) -> None:
    """Say before anything runs that the model could not be promoted: its code is in no commit."""
    if commit == UNKNOWN:
        say("warning: there is no git repository with a commit here, so this version cannot be promoted: `git init`")
    elif commit.endswith(DIRTY_SUFFIX):
        files = [str(path) for path in Repository(project.root).changed("HEAD", None)]
        more = f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else ""
        say(
            f"warning: uncommitted changes: {', '.join(files[:_FILES_NAMED])}{more}. This version can be deployed to "
            f"{project.order.training}, and not be promoted; commit first, then train again"
        )


def _preload_imports() -> None:
    # The SDK imports it when it first reads a job, and works without it if it is not installed.
    with suppress(ImportError):
        importlib.import_module("azureml.mlflow")


def submit(
    client: MLClient, project: Project, stage: Stage, order: Order, parameters: Mapping[str, float]
) -> SubmittedJob:
    """Submit the pipeline for an order (`parameters`: the inputs that differ from their defaults)."""
    job = training_job(project, stage, order, parameters)
    steps = tuple(job.jobs)
    say(f"submitting the training job to {stage.name} …")
    with suppress_output():
        accepted = client.jobs.create_or_update(job)
    return SubmittedJob(order, steps, accepted.studio_url)


def training_job(project: Project, stage: Stage, order: Order, parameters: Mapping[str, float]) -> PipelineJob:
    """The project's pipeline, with its inputs set. Raises ProjectError for a file that is not a pipeline."""
    settings, data = project.settings, order.data
    overrides = [
        *({f"inputs.{name}": value} for name, value in parameters.items()),
        {"name": order.job_name},
        {"experiment_name": settings.name},
        {"settings.default_compute": f"azureml:{stage.compute}"},
        # What else the file says of the data stays, such as the mode that Spark needs.
        {"inputs.data.type": AssetTypes.URI_FILE},
        {"inputs.data.path": data.reference},
        {"inputs.data_name": data.name},
        {"inputs.data_version": data.version},
        {"inputs.data_sha256": data.sha256},
        {"inputs.git_commit": order.git_commit},
        *([{"settings.force_rerun": True}] if order.fresh else ()),
    ]
    file = pipeline_file(project, order.pipeline)
    job = load_job(require_yaml(project.required_file(file)), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{file} is not a pipeline job", "It needs `type: pipeline`.")
    job.tags = {**(job.tags or {}), **_tags(order)}
    return job


def pipeline_file(project: Project, name: str) -> Path:
    """The file of a pipeline that trains. Raises InputError for a name that no file has, with those that do."""
    if not name:
        return PIPELINE_FILE
    named = {file.name.split(".")[1]: file for file in project.path(PIPELINE_FILE.parent).glob(_FURTHER)}
    if name not in named:
        known = ", ".join(sorted(named)) or "none"
        raise InputError(
            f"there is no {PIPELINE_FILE.with_name(f'train.{name}.yml')}",
            f"Name one of these by --pipeline: {known}; or leave the option out.",
        )
    return PIPELINE_FILE.with_name(named[name].name)


def find_submitted(client: MLClient, job_name: str) -> SubmittedJob:
    """A submitted job. Raises InputError if there is none, or it is not from `mlops train`."""
    try:
        job = client.jobs.get(job_name)
    except ResourceNotFoundError as error:
        raise InputError(
            f"there is no job '{job_name}' in the workspace", "`mlops train --submit` starts a job and prints its name."
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
# A job's name comes from an artefact and becomes a file name here.
_JOB_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


def held_out_file(client: MLClient, project: Project, job: str) -> Path:
    """The parquet file with the held-out rows of a job. Raises JobFailed if the job has none."""
    if not _JOB_NAME.fullmatch(job):
        raise JobFailed(f"'{job[:80]}' is not the name of a job", "The package's provenance.json must name its job.")
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
            raise JobFailed(f"the output {_OUTPUT} of job {job} has {len(found)} files {_TEST_PART}, not one")
        found[0].replace(file)
    return file


_KEY_CHARACTERS = 12
_ERROR_LINES = 15
_ASSETS: Final = ("data", "*.yml")


@dataclass(frozen=True)
class DefaultData:
    """The file to train on where nobody names one. `schema` is that of synthetic rows, None of a project's own."""

    file: Path
    schema: Schema | None = None


def default_data(project: Project) -> DefaultData:
    """The project's own file if it is here, else what its generator makes, else synthetic rows; says which one.

    Raises MachineError for a generator that fails.
    """
    own = _own_file(project)
    if own is not None:
        say(f"data: {own.relative_to(project.root)}, the project's own file")
        return DefaultData(own)
    if project.path(SAMPLE_GENERATOR).is_file():
        say(f"data: a synthetic sample, made by {SAMPLE_GENERATOR}")
        return DefaultData(_generated(project))
    return _synthetic(project)


def _own_file(project: Project) -> Path | None:
    """The file of the data asset that project.yml names; git ignores it, so it may be elsewhere."""
    folder, pattern = _ASSETS
    for asset in sorted(project.path(Path(folder)).glob(pattern)):
        document = read_yaml(asset).value
        if isinstance(document, dict) and document.get("name") == project.settings.data:
            file = asset.parent / str(document.get("path"))
            return file if file.is_file() else None
    return None


def _synthetic(project: Project) -> DefaultData:
    from model_package.steps.synthetic_rows import csv_of, synthetic_rows

    schema = read_project_schema(project.root)
    file = private_folder(project.path(SAMPLE_FOLDER)) / "synthetic.csv"
    table = synthetic_rows(schema)
    say(
        f"data: {table.height:,} synthetic rows from {SCHEMA_FILE}; they say nothing of real ones, name these by --data"
    )
    with replacing(file, csv_of(table)):
        pass
    return DefaultData(file, schema)


def _generated(project: Project) -> Path:
    """The generated sample; generated again if the generator has changed."""
    generator = project.required_file(SAMPLE_GENERATOR)
    folder = private_folder(project.path(SAMPLE_FOLDER))
    file = folder / f"sample-{file_sha256(generator)[:_KEY_CHARACTERS]}.csv"
    if not file.is_file():
        _generate(generator, file)
    return file


def _generate(generator: Path, file: Path) -> None:
    # Under a temporary name first: an interrupted run must not leave half a sample behind.
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
            "Fix the generator, or pass a file with --data.",
            tuple(done.stderr.splitlines()[-_ERROR_LINES:]),
        )
    unfinished.replace(file)
