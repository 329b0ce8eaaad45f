"""Data files on this machine: the generated sample, and the held-out rows of a training job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import JobFailed, MachineError
from mlops.core.layout import ROWS_FOLDER, SAMPLE_FOLDER, SAMPLE_GENERATOR, private_folder
from mlops.settings.project import Project
from model_package.digest import file_sha256

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
