"""The endpoint and the deployment of a stage: endpoints/online/*.yml with what project.yml says of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from azure.ai.ml import load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import Environment, OnlineDeployment, OnlineEndpoint

from mlops.errors import ProjectError
from mlops.layout import DEPLOYMENT_FILE, ENDPOINT_FILE, ENDPOINT_FOLDER
from mlops.package import file_sha256
from mlops.project import Project, Stage
from mlops.rollout.plan import Plan

DIGEST_TAG: Final = "model_digest"
CONFIGURATION_TAG: Final = "configuration"
VERSION_TAG: Final = "model_version"
ATTEMPT_TAG: Final = "rollout_attempt"
_FINGERPRINT_CHARACTERS: Final = 16
_NOT_CODE: Final = frozenset({"__pycache__"})


def load_endpoint(project: Project, stage: Stage) -> OnlineEndpoint:
    """The stage's endpoint as it is wanted."""
    return load_online_endpoint(project.required_file(ENDPOINT_FILE), params_override=[{"name": stage.endpoint}])


def load_deployment(
    project: Project, stage: Stage, name: str, plan: Plan, model: str, attempt: str
) -> OnlineDeployment:
    """The deployment as it is wanted: the plan's model, by reference, on the stage's machines."""
    overrides: list[dict[str, Any]] = [
        {"name": name},
        {"model": model},
        {"environment_variables.MODEL_NAME": plan.model},
        {"environment_variables.MODEL_VERSION": plan.version},
        {"environment_variables.MODEL_DIGEST": plan.digest},
        {
            "tags": {
                VERSION_TAG: plan.version,
                DIGEST_TAG: plan.digest,
                CONFIGURATION_TAG: plan.configuration,
                ATTEMPT_TAG: attempt,
            }
        },
    ]
    return _load(project, stage, overrides)


def configuration_of(project: Project, stage: Stage) -> str:
    """A fingerprint of all that a deployment is besides its model: code, YAML, software, machines."""
    environment = _load(project, stage, []).environment
    if not isinstance(environment, Environment):
        raise ProjectError(
            f"{DEPLOYMENT_FILE} does not name its environment by a file",
            "Write `environment: file:../../environments/serving.yml`.",
        )
    folder = project.path(ENDPOINT_FOLDER)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _NOT_CODE.intersection(path.parts))
    content = {
        "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in files},
        "environment": [environment.name, environment.version, environment.image, environment.conda_file],
        "machines": [stage.instance_type, stage.instance_count],
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _load(project: Project, stage: Stage, overrides: list[dict[str, Any]]) -> OnlineDeployment:
    machines = [
        {"endpoint_name": stage.endpoint},
        {"instance_type": stage.instance_type},
        {"instance_count": stage.instance_count},
    ]
    return load_online_deployment(project.required_file(DEPLOYMENT_FILE), params_override=[*machines, *overrides])
