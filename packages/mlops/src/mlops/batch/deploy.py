"""`mlops deploy --batch`: the released model of a stage behind its batch endpoint, from the YAML in endpoints/batch/.

There is no traffic to split: callers get the endpoint's default deployment, which is set last. The deployment of an
earlier model is kept, and costs nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from azure.ai.ml import MLClient, load_batch_endpoint, load_component
from azure.ai.ml.entities import BatchEndpoint, PipelineComponent, PipelineComponentBatchDeployment
from azure.ai.ml.entities._load_functions import load_pipeline_component_batch_deployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.checks.project import Project as CheckedProject
from mlops.checks.project import versioned
from mlops.cli.progress import say
from mlops.core.errors import ProjectError
from mlops.core.layout import BATCH_DEPLOYMENT_FILE, BATCH_ENDPOINT_FILE, SCORING_PIPELINE_FILE, SCORING_STEP
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.view import CONFIGURATION_TAG, DIGEST_TAG, VERSION_TAG
from mlops.rollout.release import find_target
from mlops.settings.project import Project, Stage
from mlops.settings.stages import StageName
from model_package.digest import DIGEST_PREFIX

MODEL_TAG: Final = "model"
_FINGERPRINT_CHARACTERS: Final = 12
_MODEL_TYPE: Final = "custom_model"
_SUCCEEDED: Final = "Succeeded"


@dataclass(frozen=True)
class ReleasedModel:
    """The model that files are scored with; `reference` is how a job refers to it."""

    name: str
    version: str
    digest: str
    reference: str


@dataclass(frozen=True)
class BatchDeployResult(Result):
    """What a stage's batch endpoint runs now, and what was changed for it."""

    stage: str
    endpoint: str
    deployment: str
    model: ReleasedModel
    actions: tuple[str, ...]
    seconds: float

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self) | {"actions": list(self.actions), "seconds": round(self.seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its model."""
        rows = (
            ("batch endpoint", self.endpoint),
            ("deployment", self.deployment),
            ("model", f"{self.model.name} version {self.model.version}"),
            ("digest", self.model.digest),
        )
        done = f"done in {self.seconds:.1f} s" if self.actions else "no changes: it was deployed before"
        return [
            Table(f"stage {self.stage}", (), rows),
            Line(done, "good"),
            Line(f"Next: `mlops score --stage {self.stage} --batch FOLDER --output FOLDER`", "hint"),
        ]


def deploy_batch(
    client: MLClient, project: Project, stage_name: StageName, version: str | None = None
) -> BatchDeployResult:
    """Deploy a stage's released model behind its batch endpoint, and make that deployment the default.

    Steps that are already done are skipped, so that an interrupted run continues when it is run again.
    """
    begun = time.monotonic()
    stage = project.settings.stage(stage_name)
    endpoint = endpoint_name(stage, stage_name)
    target, _ = find_target(client, project, stage_name, version)
    model = ReleasedModel(target.plan.model, target.plan.version, target.plan.digest, target.model)
    actions = []
    with suppress_output():
        if _ensure_endpoint(client, project, endpoint):
            actions.append(f"created the endpoint {endpoint}")
        name = deployment_name(model)
        if not _is_deployed(client, endpoint, name, configuration_of(project, model)):
            deployment = load_deployment(project, stage, endpoint, model)
            client.batch_deployments.begin_create_or_update(deployment).result()
            actions.append(f"deployed {name}")
        if _make_default(client, endpoint, name):
            actions.append(f"made {name} the default")
    for action in actions:
        say(action)
    return BatchDeployResult(stage_name, endpoint, name, model, tuple(actions), time.monotonic() - begun)


def endpoint_name(stage: Stage, stage_name: str) -> str:
    """Return the stage's batch endpoint. Raises ProjectError when project.yml names none."""
    if stage.batch_endpoint is None:
        raise ProjectError(
            f"project.yml names no batch endpoint for stage {stage_name}",
            f"Add `batch_endpoint: {stage.endpoint}-files` to it; the name must be unique within an Azure region.",
        )
    return stage.batch_endpoint


def deployment_name(model: ReleasedModel) -> str:
    """Return the deployment of a model version: each has its own, so that a rollback changes only the default."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in model.version)
    return f"model-{plain}"


def load_endpoint(project: Project, name: str) -> BatchEndpoint:
    """Return the endpoint as it should be."""
    return load_batch_endpoint(project.required_file(BATCH_ENDPOINT_FILE), params_override=[{"name": name}])


def load_deployment(
    project: Project, stage: Stage, endpoint: str, model: ReleasedModel
) -> PipelineComponentBatchDeployment:
    """Return the deployment as it should be: the scoring pipeline with the model, on the stage's cluster."""
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
    """Return a fingerprint of all that a deployment runs: model, components with their code, environments."""
    content = [model.reference, model.digest]
    for folder, items in versioned(CheckedProject(project.root)):
        content += sorted(f"{folder}/{item.name}:{item.version} {item.digest}" for item in items)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _ensure_endpoint(client: MLClient, project: Project, name: str) -> bool:
    try:
        client.batch_endpoints.get(name)
    except ResourceNotFoundError:
        client.batch_endpoints.begin_create_or_update(load_endpoint(project, name)).result()
        return True
    return False


def _is_deployed(client: MLClient, endpoint: str, name: str, configuration: str) -> bool:
    try:
        found = client.batch_deployments.get(name, endpoint)
    except ResourceNotFoundError:
        return False
    return found.provisioning_state == _SUCCEEDED and (found.tags or {}).get(CONFIGURATION_TAG) == configuration


def _make_default(client: MLClient, endpoint: str, name: str) -> bool:
    found = client.batch_endpoints.get(endpoint)
    if getattr(found.defaults, "deployment_name", None) == name:
        return False
    found.defaults = {"deployment_name": name}
    client.batch_endpoints.begin_create_or_update(found).result()
    return True


def _load_pipeline(project: Project, model: ReleasedModel, fingerprint: str) -> PipelineComponent:
    file = project.required_file(SCORING_PIPELINE_FILE)
    written = load_component(file)
    inputs = f"jobs.{SCORING_STEP}.inputs"
    overrides: list[dict[str, Any]] = [
        # One version per content: Azure keeps what a version was first registered with.
        {"version": f"{written.version}-{model.digest.removeprefix(DIGEST_PREFIX)[:8]}-{fingerprint}"},
        {f"{inputs}.model": {"type": _MODEL_TYPE, "path": model.reference}},
        {f"{inputs}.model_name": model.name},
        {f"{inputs}.model_version": model.version},
        {f"{inputs}.model_digest": model.digest},
    ]
    component = load_component(file, params_override=overrides)
    if not isinstance(component, PipelineComponent):
        raise ProjectError(
            f"{SCORING_PIPELINE_FILE} does not define a pipeline component", "It needs `type: pipeline`."
        )
    return component
