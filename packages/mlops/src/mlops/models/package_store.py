"""Copies of model packages on this machine, a folder for each digest; used only if the digest is right."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import JobFailed, WorkspaceError
from mlops.core.layout import PACKAGE_FOLDER, private_folder
from mlops.models.package import DIGEST_PREFIX, find_package, package_digest
from mlops.models.registration import PACKAGE_OUTPUT, ModelVersion
from mlops.settings.project import Project


def package_of_job(client: MLClient, project: Project, job: str) -> tuple[Path, str]:
    """Download the model package that a job made; give its folder and its digest."""

    def fetch(folder: Path) -> None:
        client.jobs.download(job, download_path=folder, output_name=PACKAGE_OUTPUT)

    return _fetched(project, fetch)


def fetch_package(client: MLClient, project: Project, name: str, version: str) -> tuple[Path, str]:
    """Download a version as a workspace or a registry has it now; give its folder and its digest.

    Raises WorkspaceError when there is no such version.
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
    """The package of a registered version. Raises JobFailed when its bytes are not the registered ones."""
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


def _fetched(project: Project, fetch: Callable[[Path], None]) -> tuple[Path, str]:
    store = private_folder(project.path(PACKAGE_FOLDER))
    with tempfile.TemporaryDirectory(dir=store, prefix="unfinished-") as folder:
        with suppress_output():
            fetch(Path(folder))
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
        # Somebody else has fetched the same bytes meanwhile.
        if not _holds(place, digest):
            raise


def _holds(place: Path, digest: str) -> bool:
    return place.is_dir() and package_digest(place) == digest


def _place(project: Project, digest: str) -> Path:
    return project.path(PACKAGE_FOLDER) / digest.removeprefix(DIGEST_PREFIX)
