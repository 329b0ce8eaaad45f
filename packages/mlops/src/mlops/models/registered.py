"""Model packages: a finished job's as a version of the registered model, and copies of versions on this machine.

The same package is registered once: versions are compared by digest. Two runs that register at the same time get two
versions. A copy is kept in one folder per digest, and used only if its digest is right. What a package holds is said by
model_package; here its errors become those of a command.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from pydantic import ValidationError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import InputError, JobFailed, MlopsError, WorkspaceError
from mlops.core.layout import PACKAGE_FOLDER, private_folder
from mlops.githost.hosts import current_builder
from mlops.githost.interface import Builder, builder_of
from mlops.models.data_asset import DataVersion
from mlops.settings.project import Project
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from model_package import package as package_files
from model_package.digest import DIGEST_PREFIX
from model_package.errors import PackageError
from model_package.evaluation import Estimate
from model_package.package import EVALUATION_FILE, MLFLOW_FILE, find_package, package_digest
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


DIGEST_TAG: Final = "digest"
_VERSIONS_NAMED: Final = 10
PACKAGE_OUTPUT: Final = "model_package"
_ATTEMPTS: Final = 10


@dataclass(frozen=True)
class ModelVersion:
    """A registered version of a model, and the digest of its package."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class Lineage:
    """Where a package comes from."""

    job: str
    git_commit: str
    data: DataVersion


def model_type(package: Path) -> str:
    """Return Azure's type of a package: with ONNX it is an MLflow model, with a pyfunc it holds one in a folder."""
    return AssetTypes.MLFLOW_MODEL if (package / MLFLOW_FILE).is_file() else AssetTypes.CUSTOM_MODEL


def register(
    client: MLClient,
    name: str,
    digest: str,
    lineage: Lineage,
    metrics: dict[str, float],
    kind: str = AssetTypes.MLFLOW_MODEL,
) -> tuple[ModelVersion, bool]:
    """Return the version with this digest, and whether it is new; `kind` is what `model_type` says.

    Raises WorkspaceError when others keep winning.
    """
    for _ in range(_ATTEMPTS):
        versions = _versions(client, name)
        for model in versions:
            if (model.tags or {}).get(DIGEST_TAG) == digest:
                return ModelVersion(name, str(model.version), digest), False
        version = str(1 + max((_number(model.version) for model in versions), default=0))
        if _create(client, name, version, digest, lineage, metrics, kind):
            return ModelVersion(name, version, digest), True
    raise WorkspaceError(
        f"other runs registered model {name} first, {_ATTEMPTS} times in a row", "Run `mlops train` again."
    )


def find_version(client: MLClient, name: str, version: str | None) -> ModelVersion:
    """Return a registered version, the newest when none is named. Raises WorkspaceError when there is none."""
    known = _versions(client, name)
    versions = [model for model in known if version in {None, str(model.version)}]
    if not versions and known:
        numbers = sorted((str(model.version) for model in known), key=_number, reverse=True)
        raise InputError(
            f"there is no version {version} of model {name} in the workspace",
            f"There are: {', '.join(numbers[:_VERSIONS_NAMED])}. Without --version the newest is taken.",
        )
    if not versions:
        wanted = f"version {version} of model {name}" if version else f"version of model {name}"
        raise WorkspaceError(f"there is no {wanted} in the workspace", "Register one: `mlops train`.")
    newest = max(versions, key=lambda model: _number(model.version))
    digest = (newest.tags or {}).get(DIGEST_TAG)
    if not digest:
        raise WorkspaceError(
            f"version {newest.version} of model {name} has no tag `{DIGEST_TAG}`",
            "It was not registered by `mlops`; register the package with `mlops train`.",
        )
    return ModelVersion(name, str(newest.version), digest)


def find_builder(client: MLClient, model: ModelVersion) -> Builder:
    """Return the CI job or person that trained a registered version."""
    return builder_of(client.models.get(model.name, model.version).tags)


def find_lineage(client: MLClient, name: str, version: str) -> dict[str, str]:
    """Return the tags that say where a version comes from; none of a version that is not registered here."""
    try:
        return dict(client.models.get(name, version).tags or {})
    except ResourceNotFoundError:
        return {}


def _versions(client: MLClient, name: str) -> list[Model]:
    try:
        return list(client.models.list(name))
    except ResourceNotFoundError:
        return []


def _create(
    client: MLClient, name: str, version: str, digest: str, lineage: Lineage, metrics: dict[str, float], kind: str
) -> bool:
    """Register one version; False when another run has taken the number."""
    tags: dict[str, Any] = {
        DIGEST_TAG: digest,
        "job": lineage.job,
        "git_commit": lineage.git_commit,
        "data": f"{lineage.data.name}:{lineage.data.version}",
        "data_sha256": lineage.data.sha256,
        **current_builder().tags(),
        **{key: f"{value:.6g}" for key, value in metrics.items()},
    }
    model = Model(
        name=name,
        version=version,
        type=kind,
        path=f"azureml://jobs/{lineage.job}/outputs/{PACKAGE_OUTPUT}",
        tags=tags,
    )
    try:
        client.models.create_or_update(model)
    except (AssetPathException, HttpResponseError):
        # The error for a taken number differs between service versions, so look whether it is taken.
        if _exists(client, name, version):
            return False
        raise
    return True


def _exists(client: MLClient, name: str, version: str) -> bool:
    return any(str(model.version) == version for model in _versions(client, name))


def _number(version: str | None) -> int:
    return int(version) if version and version.isdecimal() else 0
