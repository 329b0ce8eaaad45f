"""A finished job's model package as a version of the registered model.

The same package is registered once: versions are compared by digest. Two runs that register at the same time
get two versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.core.errors import WorkspaceError
from mlops.githost.hosts import current_builder
from mlops.githost.interface import Builder, builder_of
from mlops.models.data_asset import DataVersion

DIGEST_TAG: Final = "digest"
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


def register(
    client: MLClient, name: str, digest: str, lineage: Lineage, metrics: dict[str, float]
) -> tuple[ModelVersion, bool]:
    """Return the version with this digest, and whether it is new. Raises WorkspaceError when others keep winning."""
    for _ in range(_ATTEMPTS):
        versions = _versions(client, name)
        for model in versions:
            if (model.tags or {}).get(DIGEST_TAG) == digest:
                return ModelVersion(name, str(model.version), digest), False
        version = str(1 + max((_number(model.version) for model in versions), default=0))
        if _create(client, name, version, digest, lineage, metrics):
            return ModelVersion(name, version, digest), True
    raise WorkspaceError(
        f"other runs registered model {name} first, {_ATTEMPTS} times in a row", "Run `mlops train` again."
    )


def find_version(client: MLClient, name: str, version: str | None) -> ModelVersion:
    """Return a registered version, the newest when none is named. Raises WorkspaceError when there is none."""
    versions = [model for model in _versions(client, name) if version in {None, str(model.version)}]
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


def _versions(client: MLClient, name: str) -> list[Model]:
    try:
        return list(client.models.list(name))
    except ResourceNotFoundError:
        return []


def _create(
    client: MLClient, name: str, version: str, digest: str, lineage: Lineage, metrics: dict[str, float]
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
        type=AssetTypes.MLFLOW_MODEL,
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
