"""Model packages on this machine: fetched, kept in one folder per digest, and read.

A copy is used only if its digest is right. What a package holds is said by model_package; here its errors become
those of a command.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError
from pydantic import ValidationError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import InputError, JobFailed, MlopsError, WorkspaceError
from mlops.core.layout import PACKAGE_FOLDER, private_folder
from mlops.models.registration import PACKAGE_OUTPUT, ModelVersion
from mlops.settings.project import Project
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from model_package import package as package_files
from model_package.digest import DIGEST_PREFIX
from model_package.errors import PackageError
from model_package.evaluation import Estimate
from model_package.package import EVALUATION_FILE, find_package, package_digest
from model_package.provenance import UNKNOWN, Provenance
from model_package.schema import Schema

_ADVICE = "Train and register again."


def package_of_job(client: MLClient, project: Project, job: str) -> tuple[Path, str]:
    """Download the model package that a job made; return its folder and its digest. Raises JobFailed for none."""

    def fetch(folder: Path) -> None:
        client.jobs.download(job, download_path=folder, output_name=PACKAGE_OUTPUT)

    return _fetched(project, fetch)


def fetch_package(client: MLClient, project: Project, name: str, version: str) -> tuple[Path, str]:
    """Download a version as a workspace or a registry has it now; return its folder and its digest.

    Raises WorkspaceError when there is no such version, JobFailed when it holds no model package.
    """

    def fetch(folder: Path) -> None:
        client.models.download(name, version, download_path=folder)

    try:
        return _fetched(project, fetch)
    except ResourceNotFoundError as error:
        raise WorkspaceError(
            f"there is no version {version} of model {name} where the stage takes its models from",
            "A release names a version that was promoted: `mlops promote` shares it and writes the release.",
        ) from error


def package_of_model(client: MLClient, project: Project, model: ModelVersion) -> Path:
    """Return the package of a registered version. Raises JobFailed when its bytes are not the registered ones."""
    kept = _place(project, model.digest)
    if _holds(kept, model.digest):
        return kept

    def fetch(folder: Path) -> None:
        client.models.download(model.name, model.version, download_path=folder)

    package, digest = _fetched(project, fetch)
    if digest != model.digest:
        raise JobFailed(
            f"the files of model {model.name} version {model.version} have digest {digest}, "
            f"but {model.digest} was registered",
            "Do not deploy this version: train and register again.",
        )
    return package


def read_provenance(package: Path) -> Provenance:
    """Read provenance.json of a package. Raises InputError."""
    with _errors_as(InputError, "the provenance of this model is unknown"):
        return package_files.read_provenance(package)


def read_schema(package: Path) -> Schema:
    """Read schema.json of a package. Raises InputError."""
    with _errors_as(InputError, "the input schema of this model is unknown"):
        return package_files.read_schema(package)


def read_metrics(package: Path) -> dict[str, Estimate]:
    """Return the metrics of evaluation.json, in its order. Raises JobFailed when there are none."""
    with _errors_as(JobFailed, "the metrics of this model are unknown"):
        metrics = package_files.read_evaluation(package).metrics
    if not metrics:
        raise JobFailed(f"{EVALUATION_FILE} of the model package has no metrics", _ADVICE)
    return metrics


def release_of(provenance: Provenance, model: ModelVersion, source_stage: StageName) -> Release:
    """Return the release of a package that comes from a stage. Raises InputError for unusable provenance."""
    data = provenance.data
    source = {
        "stage": source_stage,
        "job": provenance.job or UNKNOWN,
        "git_commit": provenance.git_commit or UNKNOWN,
        "data": {
            "name": data.name or UNKNOWN,
            "version": data.version or UNKNOWN,
            "sha256": data.sha256 or UNKNOWN,
        },
    }
    identity = {"name": model.name, "version": model.version, "digest": model.digest}
    try:
        return Release.model_validate({"model": identity, "source": source})
    except ValidationError as error:
        reasons = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        message = f"version {model.version} of model {model.name} cannot be released"
        raise InputError(message, _ADVICE, reasons) from error


@contextmanager
def _errors_as(kind: type[MlopsError], message: str) -> Generator[None]:
    try:
        yield
    except PackageError as error:
        raise kind(f"{message}: {error}", _ADVICE) from error


def _fetched(project: Project, fetch: Callable[[Path], None]) -> tuple[Path, str]:
    store = private_folder(project.path(PACKAGE_FOLDER))
    with tempfile.TemporaryDirectory(dir=store, prefix="unfinished-") as folder:
        with suppress_output():
            fetch(Path(folder))
        with _errors_as(JobFailed, "what was downloaded holds no model package"):
            package = find_package(Path(folder))
        digest = package_digest(package)
        place = _place(project, digest)
        if place.is_dir() and not _holds(place, digest):
            shutil.rmtree(place, ignore_errors=True)
        _move(package, place, digest)
    return place, digest


def _move(package: Path, place: Path, digest: str) -> None:
    try:
        package.rename(place)
    except OSError:
        # Another process has fetched the same bytes meanwhile.
        if not _holds(place, digest):
            raise


def _holds(place: Path, digest: str) -> bool:
    return place.is_dir() and package_digest(place) == digest


def _place(project: Project, digest: str) -> Path:
    return project.path(PACKAGE_FOLDER) / digest.removeprefix(DIGEST_PREFIX)
