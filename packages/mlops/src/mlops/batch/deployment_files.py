"""The batch endpoint and the deployment of a stage: endpoints/batch/*.yml and pipelines/score.yml with the model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from azure.ai.ml import load_batch_endpoint, load_component
from azure.ai.ml.entities import BatchEndpoint, PipelineComponent, PipelineComponentBatchDeployment
from azure.ai.ml.entities._load_functions import load_pipeline_component_batch_deployment

from mlops.checks.project import Project as CheckedProject
from mlops.checks.versions import versioned
from mlops.core.errors import ProjectError
from mlops.core.layout import BATCH_DEPLOYMENT_FILE, BATCH_ENDPOINT_FILE, SCORING_PIPELINE_FILE, SCORING_STEP
from mlops.endpoint.view import CONFIGURATION_TAG, DIGEST_TAG, VERSION_TAG
from mlops.settings.project import Project, Stage
from model_package.digest import DIGEST_PREFIX

MODEL_TAG: Final = "model"
_FINGERPRINT_CHARACTERS: Final = 12
_MODEL_TYPE: Final = "custom_model"


@dataclass(frozen=True)
class ReleasedModel:
    """What a stage's files are scored with; `reference` is how a job names it."""

    name: str
    version: str
    digest: str
    reference: str


def endpoint_name(stage: Stage, stage_name: str) -> str:
    """The stage's batch endpoint. Raises ProjectError when project.yml names none."""
    if stage.batch_endpoint is None:
        raise ProjectError(
            f"project.yml names no batch endpoint for stage {stage_name}",
            f"Add `batch_endpoint: {stage.endpoint}-files` to it; the name is unique within an Azure region.",
        )
    return stage.batch_endpoint


def deployment_name(model: ReleasedModel) -> str:
    """A deployment for each model version, so that going back is naming another one."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in model.version)
    return f"model-{plain}"


def load_endpoint(project: Project, name: str) -> BatchEndpoint:
    """The endpoint as it is wanted."""
    return load_batch_endpoint(project.required_file(BATCH_ENDPOINT_FILE), params_override=[{"name": name}])


def load_deployment(
    project: Project, stage: Stage, endpoint: str, model: ReleasedModel
) -> PipelineComponentBatchDeployment:
    """The deployment as it is wanted: the scoring pipeline with the model, on the stage's cluster."""
    deployment = load_pipeline_component_batch_deployment(
        project.required_file(BATCH_DEPLOYMENT_FILE),
        params_override=[
            {"name": deployment_name(model)},
            {"endpoint_name": endpoint},
            {"settings.default_compute": stage.compute},
        ],
    )
    fingerprint = configuration_of(project, model)
    deployment.component = _load_pipeline(project, model, fingerprint)
    deployment.tags = {
        MODEL_TAG: model.name,
        VERSION_TAG: model.version,
        DIGEST_TAG: model.digest,
        CONFIGURATION_TAG: fingerprint,
    }
    return deployment


def configuration_of(project: Project, model: ReleasedModel) -> str:
    """A fingerprint of all that a deployment runs: the model, the components with their code, the software."""
    content = [model.reference, model.digest]
    for folder, items in versioned(CheckedProject(project.root)):
        content += sorted(f"{folder}/{item.name}:{item.version} {item.digest}" for item in items)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _load_pipeline(project: Project, model: ReleasedModel, fingerprint: str) -> PipelineComponent:
    file = project.required_file(SCORING_PIPELINE_FILE)
    written = load_component(file)
    inputs = f"jobs.{SCORING_STEP}.inputs"
    overrides: list[dict[str, Any]] = [
        # A version for each content: Azure keeps what a version was first registered with.
        {"version": f"{written.version}-{model.digest.removeprefix(DIGEST_PREFIX)[:8]}-{fingerprint}"},
        {f"{inputs}.model": {"type": _MODEL_TYPE, "path": model.reference}},
        {f"{inputs}.model_name": model.name},
        {f"{inputs}.model_version": model.version},
        {f"{inputs}.model_digest": model.digest},
    ]
    component = load_component(file, params_override=overrides)
    if not isinstance(component, PipelineComponent):
        raise ProjectError(f"{SCORING_PIPELINE_FILE} is no pipeline component", "It needs `type: pipeline`.")
    return component
