"""The endpoint and the deployment of a stage: endpoints/online/*.yml with the stage's settings in project.yml."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import Data, DataAsset, Environment, OnlineDeployment, OnlineEndpoint

from mlops.azure.workspace import parse_datastore_path
from mlops.core.documents import YamlError, merged, read_yaml
from mlops.core.errors import ProjectError
from mlops.core.layout import DEPLOYMENT_FILE, ENDPOINT_FILE, ENDPOINT_FOLDER, GRANIAN_SUFFIX, KUBERNETES_SUFFIX
from mlops.endpoint.view import ATTEMPT_TAG, CONFIGURATION_TAG, DIGEST_TAG, VERSION_TAG
from mlops.rollout.plan import Plan
from mlops.settings.project import KUBERNETES, Project, Serving, Stage
from mlops.settings.stages import GRANIAN
from model_package.digest import DIGEST_PREFIX, file_sha256
from model_package.rows.collected_columns import INPUTS, OUTPUTS

# Azure's own path for it, in the datastore that the deployments may write to.
COLLECTED_PATH: Final = "azureml://datastores/{datastore}/paths/modelDataCollector/{endpoint}/{deployment}/{collection}"
_FINGERPRINT_CHARACTERS: Final = 16
_NOT_CODE: Final = frozenset({"__pycache__"})
_DEFINITION: Final = ".yml"


def definition(project: Project, file: Path, serving: Serving) -> dict[str, Any]:
    """What `file`, relative to the project, defines for a kind of serving. Raises ProjectError."""
    document = _read(project, file)
    if project.settings.server == GRANIAN and file == DEPLOYMENT_FILE:
        document = merged(document, _read(project, file.with_suffix(GRANIAN_SUFFIX)))
    if serving != KUBERNETES:
        return document
    return merged(document, _read(project, file.with_suffix(KUBERNETES_SUFFIX)))


def _read(project: Project, file: Path) -> dict[str, Any]:
    path = project.required_file(file)
    try:
        value = read_yaml(path).value
    except YamlError as error:
        raise ProjectError(f"{file.as_posix()}:{error.line}: {error}", "Correct the YAML at this line.") from error
    if not isinstance(value, dict):
        raise ProjectError(f"{file.as_posix()} is not a mapping of keys to values", "Restore it from git.")
    return value


def load_endpoint(project: Project, stage: Stage) -> OnlineEndpoint:
    """The desired endpoint of the stage."""
    overrides: list[dict[str, Any]] = [{"name": stage.online_endpoint}]
    if stage.endpoint_identity is not None:
        identity = {"type": "user_assigned", "user_assigned_identities": [{"resource_id": stage.endpoint_identity}]}
        overrides.append({"identity": identity})
    if stage.kubernetes_compute is not None:
        overrides.append({"compute": f"azureml:{stage.kubernetes_compute}"})
    text = _text(definition(project, ENDPOINT_FILE, stage.serving))
    return load_online_endpoint(text, relative_origin=_origin(project, ENDPOINT_FILE), params_override=overrides)


def load_deployment(
    project: Project, stage: Stage, name: str, plan: Plan, model: str, attempt: str
) -> OnlineDeployment:
    """The desired deployment: the plan's model, by reference, on the stage's machines."""
    overrides: list[dict[str, Any]] = [
        {"name": name},
        {"model": model},
        {"environment_variables.MODEL_NAME": plan.model},
        {"environment_variables.MODEL_VERSION": plan.version},
        {"environment_variables.MODEL_DIGEST": plan.digest},
        {"environment_variables.DEPLOYMENT_NAME": name},
        *({f"environment_variables.{variable}": value} for variable, value in _telemetry(stage).items()),
        {
            "tags": {
                VERSION_TAG: plan.version,
                DIGEST_TAG: plan.digest,
                CONFIGURATION_TAG: plan.configuration,
                ATTEMPT_TAG: attempt,
            }
        },
    ]
    deployment = _load(project, stage, overrides)
    if deployment.data_collector is not None:
        for collection, settings in deployment.data_collector.collections.items():
            settings.data = _collected_asset(stage, name, collection)
    return deployment


def image_of(project: Project, stage: Stage) -> str:
    """The environment that a deployment runs in: name, version, and the digest of what its image is built from.

    Azure ML, too, tells images by that and not by the name: an equal definition finds the image that is there already.
    Empty where the stage has a registry of images of its own.
    """
    if stage.images == "own":
        return ""
    environment = _environment(project, stage)
    content = json.dumps(
        [environment.image, environment.conda_file, _build_context(environment)], sort_keys=True, default=str
    )
    return f"{environment.name}:{environment.version} {DIGEST_PREFIX}{hashlib.sha256(content.encode()).hexdigest()}"


def configuration_of(project: Project, stage: Stage) -> str:
    """A fingerprint of everything in a deployment besides its model: code, YAML, software, machines."""
    environment = _environment(project, stage)
    folder = project.path(ENDPOINT_FOLDER)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_not_served(path))
    content = {
        "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in files},
        "definition": definition(project, DEPLOYMENT_FILE, stage.serving),
        "environment": [
            *(environment.name, environment.version, environment.image, environment.conda_file),
            *_build_context(environment),
        ],
        "collected": stage.collected_datastore,
        "telemetry": _telemetry(stage),
        "machines": [stage.serving, stage.instance_type, stage.instance_count, stage.max_instances],
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _environment(project: Project, stage: Stage) -> Environment:
    environment = _load(project, stage, []).environment
    if not isinstance(environment, Environment):
        raise ProjectError(
            f"{DEPLOYMENT_FILE} does not refer to its environment by file",
            "Write `environment: file:../../environments/serving.yml`.",
        )
    return environment


def _build_context(environment: Environment) -> list[str]:
    """The names and digests of the files that a custom container is built from."""
    if environment.build is None:
        return []
    folder = Path(environment.base_path, str(environment.build.path))
    return [
        f"{path.relative_to(folder).as_posix()} {file_sha256(path)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _load(project: Project, stage: Stage, overrides: list[dict[str, Any]]) -> OnlineDeployment:
    machines: list[dict[str, Any]] = [
        {"endpoint_name": stage.online_endpoint},
        {"instance_type": stage.instance_type},
        {"instance_count": stage.instance_count},
    ]
    if stage.serving == KUBERNETES:
        most = stage.max_instances or stage.instance_count
        machines += [{"scale_settings.min_instances": stage.instance_count}, {"scale_settings.max_instances": most}]
    text = _text(definition(project, DEPLOYMENT_FILE, stage.serving))
    origin = _origin(project, DEPLOYMENT_FILE)
    return load_online_deployment(text, relative_origin=origin, params_override=[*machines, *overrides])


def _telemetry(stage: Stage) -> dict[str, str]:
    """The variables that tell Azure's exporter where to send traces, and with which identity."""
    if stage.application_insights is None:
        return {}
    variables = {"APPLICATIONINSIGHTS_CONNECTION_STRING": stage.application_insights}
    if stage.endpoint_client_id is not None:
        identity = f"Authorization=AAD;ClientId={stage.endpoint_client_id}"
        variables["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] = identity
    return variables


def collect_without_sidecar(client: MLClient, stage: Stage, deployment: str) -> dict[str, str]:
    """Register the collections of a deployment that writes them itself, and return its variables.

    The SDK registers those of Azure's collector; readers find both by the same data assets.
    """
    paths = {}
    for collection in (INPUTS, OUTPUTS):
        asset = _collected_asset(stage, deployment, collection)
        paths[collection] = str(asset.path)
        client.data.create_or_update(Data(name=asset.name, version=str(asset.version), path=paths[collection]))
    address = parse_datastore_path(client, paths[INPUTS])
    if address is None:
        raise ProjectError(
            f"collected_datastore of {stage.name} is {stage.collected_datastore}, which is no blob datastore",
            "Name one in project.yml, such as workspaceblobstore.",
        )
    container = address.container.url.partition("?")[0]
    variables = {"COLLECTED_DATA_URL": f"{container}/{address.name.removesuffix(f'/{INPUTS}')}"}
    return variables if stage.endpoint_client_id is None else {**variables, "AZURE_CLIENT_ID": stage.endpoint_client_id}


def _collected_asset(stage: Stage, deployment: str, collection: str) -> DataAsset:
    """The data asset of a collection, one version per datastore: a version's path cannot be changed."""
    path = COLLECTED_PATH.format(
        datastore=stage.collected_datastore,
        endpoint=stage.online_endpoint,
        deployment=deployment,
        collection=collection,
    )
    asset = DataAsset(name=f"{stage.online_endpoint}-{deployment}-{collection}", path=path)
    asset.version = stage.collected_datastore  # ty: ignore[invalid-assignment] - a string, as all versions are
    return asset


def _text(document: dict[str, Any]) -> io.StringIO:
    """A document in a form that the SDK reads: JSON is YAML."""
    return io.StringIO(json.dumps(document))


def _origin(project: Project, file: Path) -> str:
    return str(project.path(file))


def _is_not_served(path: Path) -> bool:
    """Whether a file does not affect a deployment's answers; definitions and overlays are compared separately."""
    return path.suffix == _DEFINITION or bool(_NOT_CODE.intersection(path.parts))
