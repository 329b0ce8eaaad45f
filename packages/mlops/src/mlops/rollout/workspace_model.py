"""A released model in the stage's own workspace, for deployments that can take nothing from a registry.

The same name, version and bytes as in the registry; a version that is there already is compared, never replaced.
"""

from __future__ import annotations

from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.errors import RolloutFailed
from mlops.progress import say
from mlops.project import Project
from mlops.quiet import quiet
from mlops.training.package_store import fetch_package
from mlops.training.registration import DIGEST_TAG, ModelVersion

_REGISTRY_TAG = "registry"


def bring(client: MLClient, registry: MLClient, project: Project, model: ModelVersion, package: Path) -> str:
    """See to it that a workspace has the version with the package's bytes; how a deployment names it there.

    Raises RolloutFailed when the workspace has other bytes under that version.
    """
    if not _has(client, model):
        say(f"{model.name} {model.version} is copied into the stage's workspace: Kubernetes takes none of a registry")
        _create(client, registry.models.get(model.name, model.version), project, model, package)
    _, digest = fetch_package(client, project, model.name, model.version)
    if digest != model.digest:
        raise RolloutFailed(
            f"the stage's workspace has version {model.version} of model {model.name} with digest {digest}, "
            f"but {model.digest} was released",
            "Nothing was changed. A version never changes: train and register a new one, and promote that.",
        )
    return f"azureml:{model.name}:{model.version}"


def _create(client: MLClient, shared: Model, project: Project, model: ModelVersion, package: Path) -> None:
    tags = {DIGEST_TAG: model.digest, _REGISTRY_TAG: project.settings.registry}
    copy = Model(name=model.name, version=model.version, type=shared.type, path=package, tags=tags)
    try:
        with quiet():
            client.models.create_or_update(copy)
    except (AssetPathException, HttpResponseError):
        # Another rollout may have been faster; whose bytes these are is asked afterwards.
        if not _has(client, model):
            raise


def _has(client: MLClient, model: ModelVersion) -> bool:
    try:
        client.models.get(model.name, model.version)
    except ResourceNotFoundError:
        return False
    return True
