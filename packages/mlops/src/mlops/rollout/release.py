"""Finds the model for a stage: in the first the requested or the newest version, in the others their release.

A release's bytes come from the registry that all stages share; they are fetched, and their digest and provenance
are verified before anything in the stage is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesOnlineEndpoint, Model, OnlineEndpoint
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from mlops.audit.log import AuditLog
from mlops.audit.record import of_model, ran_image, sets_live_model, source_problem, was_proposed
from mlops.azure.sdk_output import suppress_output
from mlops.azure.service_health import Objective
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect, connect_management, connect_registry
from mlops.cli.progress import say
from mlops.core.errors import InputError, MlopsError, ProjectError, PromotionRefused, RolloutFailed
from mlops.endpoint.view import live_in, observe_stage
from mlops.models.registered import DIGEST_TAG, ModelVersion, fetch_package, find_version
from mlops.provenance.verification import ProvenanceSubject, require_at_deployment
from mlops.rollout.deployment_files import configuration_of, image_of
from mlops.rollout.plan import Plan, Target, phase_title
from mlops.settings.project import KUBERNETES, MANAGED, Project, Stage
from mlops.settings.releases import MIRROR, Manifest, Release, nothing_released, skipped_phases
from mlops.settings.releases import Model as ReleasedModel
from mlops.settings.stages import StageName
from mlops.stages.release_history import manifest_to_roll_out


def require_kind(client: MLClient, name: StageName, stage: Stage) -> None:
    """Raise RolloutFailed if an existing endpoint is not on the compute that the stage's settings name."""
    try:
        endpoint = client.online_endpoints.get(stage.online_endpoint)
    except ResourceNotFoundError:
        return
    found, wanted = _compute_of(endpoint), (stage.kubernetes_compute or "").lower()
    if found.lower() != wanted:
        raise RolloutFailed(
            f"endpoint {stage.endpoint} is {_serving(found)}, but in project.yml {name} is {_serving(wanted)}",
            f"Nothing was changed. An endpoint cannot be moved: give {name} another `endpoint` in project.yml, "
            "move its callers, and delete the old one.",
        )


def _compute_of(endpoint: OnlineEndpoint) -> str:
    """The name of the compute that an endpoint is on; "" for a managed one."""
    compute = endpoint.compute if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
    return (compute or "").rpartition("/")[2]


def _serving(compute: str) -> str:
    return f"served by {KUBERNETES} ({compute})" if compute else f"served by {MANAGED} machines"


@dataclass(frozen=True)
class VerifiedModel:
    """The model that a stage is to run, whose bytes and provenance were verified; `package` is its folder here.

    `reference` is how a deployment or a job refers to it, `source` the client of the registry or workspace that has it.
    """

    model: ModelVersion
    reference: str
    source: MLClient
    package: Path


def require_source(
    project: Project, workspace: Callable[[StageName], MLClient], stage: StageName, release: Release
) -> None:
    """Raise PromotionRefused for a release of a model that the stage before neither runs nor ran until a newer one.

    A manifest can be written by hand, so that stage is asked, and where it cannot be read, the own audit log: it has
    the promotion, for which that stage was asked. What the stage itself runs or ran may always come back.
    """
    settings, model, source = project.settings, release.model, release.source.stage
    if stage == project.order.training:
        return
    records, breaks = AuditLog(workspace(stage)).read()
    own = of_model(() if breaks else records, model.name)
    live = live_in(observe_stage(workspace(stage), settings.stage(stage)))
    if (live and live.digest == model.digest) or any(
        sets_live_model(each.event) and each.event.digest == model.digest for each in own
    ):
        return
    if source not in project.order.names:
        problem = f"{source}, which it names as its source, is no longer a stage"
    elif model.name != settings.model:
        problem = f"it is of model {model.name}, and project.yml says {settings.model}"
    else:
        try:
            problem = _problem_in(workspace(source), settings.stage(source), model)
        except (AzureError, MlopsError) as error:
            if was_proposed(own, model.digest, source):
                say(f"{source} cannot be read ({error}); the audit log of {stage} has the promotion from there")
                return
            raise
    if problem:
        raise PromotionRefused(
            f"version {model.version} of {model.name} may not be released to {stage}: {problem}",
            f"No stage can be skipped: release it to {source} first, then `mlops promote --to {stage}`.",
        )


def require_image(project: Project, workspace: Callable[[StageName], MLClient], stage: StageName, image: str) -> None:
    """Raise PromotionRefused if a stage shares images, and neither it nor the stage before has run in this one.

    Such a stage reaches no package index: a deployment would wait for an image that nobody can build. The audit logs
    have the evidence, so that what ran once may always come back.
    """
    if not image or stage == project.order.training:
        return
    before = project.order.source_of(stage)
    for name in (before, stage):
        records, breaks = AuditLog(workspace(name)).read()
        if not breaks and ran_image(records, image):
            return
    raise PromotionRefused(
        f"{stage} builds no images, and {before} has not run in environment {image.partition(' ')[0]} of this revision",
        f"Deploy this revision to {before} first (`mlops deploy --stage {before}`), with `images: shared` there as "
        "well; where it runs already, raise the version in environments/, and what refers to it.",
    )


def _problem_in(client: MLClient, stage: Stage, model: ReleasedModel) -> str | None:
    """Why a stage cannot be where a release comes from; None if it runs the model, or ran it until a newer one."""
    live = live_in(observe_stage(client, stage))
    if live and not live.obstacle and (live.version, live.digest) == (model.version, model.digest):
        return None
    records, breaks = AuditLog(client).read()
    runs = f"{stage.name} runs {f'version {live.version}' if live else 'no model'}"
    if breaks:
        return f"{runs}, and its audit log was tampered with (`mlops history --stage {stage.name}`)"
    problem = source_problem(of_model(records, model.name), model.digest)
    return f"{runs}, and {problem}" if problem else None


def find_model(
    client: MLClient, project: Project, stage: StageName, version: str | None, manifest: Manifest
) -> VerifiedModel:
    """The model for a stage.

    Raises ProjectError for an empty release, WorkspaceError or RolloutFailed for a model that is missing or is not the
    released one.
    """
    model, reference, models = model_to_run(client, project, stage, version, manifest)
    package, digest = fetch_package(models, project, model.name, model.version)
    if digest != model.digest:
        raise RolloutFailed(
            f"the bytes of {model.name} {model.version} have digest {digest}, but {model.digest} was released",
            "Nothing was changed. Find out what changed, then train, register and promote again.",
        )
    released = None if stage == project.order.training else manifest.release
    if released is not None:
        require_source(project, partial(_workspace, client, project, stage), stage, released)
    require_at_deployment(project, ProvenanceSubject(stage, model, package, released))
    return VerifiedModel(model, reference, models, package)


def _workspace(client: MLClient, project: Project, own: StageName, name: StageName) -> MLClient:
    return client if name == own else connect(project.settings.stage(name))


def find_target(client: MLClient, project: Project, stage: StageName, version: str | None) -> tuple[Target, MLClient]:
    """The target of a rollout, and the client of the registry or workspace that its model comes from.

    Raises ProjectError for an invalid release, and what `find_model` raises.
    """
    manifest = manifest_to_roll_out(project, stage)
    place = project.settings.stage(stage)
    _require_health_source(manifest, stage, place)
    require_kind(client, stage, place)
    found = find_model(client, project, stage, version, manifest)
    reference = found.reference
    if place.serving == KUBERNETES and stage != project.order.training:
        reference = copy_to_workspace(client, found.source, project, found.model, found.package)
    plan = _plan(project, place, found.model, manifest)
    require_image(project, partial(_workspace, client, project, stage), stage, plan.image)
    for each in plan.skipped_phases:
        say(f"{phase_title(each.phase)} is skipped: {each.reason}")
    if place.serving == KUBERNETES:
        say("Azure Monitor has no metrics for Kubernetes endpoints: only synthetic callers judge the rollout")
    target = Target(
        client=client,
        project=project,
        stage_name=stage,
        stage=place,
        plan=plan,
        objective=Objective(**manifest.slo.model_dump()),
        requests_per_second=manifest.rollout.load.requests_per_second,
        model=reference,
        package=found.package,
        monitor=partial(Monitor, connect_management()) if place.serving == MANAGED else None,
    )
    return target, found.source


def model_to_run(
    client: MLClient, project: Project, stage: StageName, version: str | None, manifest: Manifest
) -> tuple[ModelVersion, str, MLClient]:
    """The model of a stage, its reference in a deployment, and the client for it. Raises as `find_target`."""
    order = project.order
    if stage == order.training:
        # A single stage runs only reviewed releases, as the last of several does.
        reviewed = manifest.release.model if manifest.release and stage == order.production else None
        if version is None and reviewed is not None:
            found = ModelVersion(reviewed.name, reviewed.version, reviewed.digest)
        else:
            found = find_version(client, project.settings.model, version)
        return found, f"azureml:{found.name}:{found.version}", client
    if version is not None:
        raise InputError(
            f"releases/{stage}.yml determines what {stage} runs, not --version",
            f"Promote it: `mlops promote --to {stage} --version {version}`.",
        )
    if manifest.release is None:
        raise nothing_released(project.root, stage)
    released = manifest.release.model
    registry = project.settings.registry
    reference = f"azureml://registries/{registry}/models/{released.name}/versions/{released.version}"
    return ModelVersion(released.name, released.version, released.digest), reference, connect_registry(registry)


def _require_health_source(manifest: Manifest, stage: StageName, place: Stage) -> None:
    """Raise ProjectError if nothing could measure the health of a new deployment."""
    if place.serving == KUBERNETES and not manifest.rollout.load.seconds:
        raise ProjectError(
            f"releases/{stage}.yml has no synthetic callers (load.seconds is 0), and Azure Monitor has no metrics for "
            f"Kubernetes endpoints: a rollout to {stage} could not be judged",
            f"Set rollout.load.seconds in releases/{stage}.yml, for example to 5.",
        )


def _plan(project: Project, place: Stage, model: ModelVersion, manifest: Manifest) -> Plan:
    rollout = manifest.rollout
    without = skipped_phases(rollout, place.serving)
    return Plan(
        model=model.name,
        version=model.version,
        digest=model.digest,
        configuration=configuration_of(project, place),
        image=image_of(project, place),
        mirror_percentage=0 if any(each.phase == MIRROR for each in without) else rollout.mirror_percentage,
        skipped_phases=without,
        steps=rollout.traffic_steps,
        load_seconds=rollout.load.seconds,
        soak_seconds=rollout.soak_seconds,
        progress_deadline_seconds=rollout.progress_deadline_seconds,
    )


_REGISTRY_TAG = "registry"


def copy_to_workspace(
    client: MLClient, registry: MLClient, project: Project, model: ModelVersion, package: Path
) -> str:
    """Ensure that a workspace has the version with the package's bytes; return its reference in a deployment.

    Raises RolloutFailed if the workspace has different bytes under that version.
    """
    if not _has(client, model):
        say(f"copying {model.name} {model.version} to the stage's workspace: Kubernetes cannot use a registry's models")
        _create(client, registry.models.get(model.name, model.version), project, model, package)
    _, digest = fetch_package(client, project, model.name, model.version)
    if digest != model.digest:
        raise RolloutFailed(
            f"the stage's workspace has version {model.version} of model {model.name} with digest {digest}, "
            f"but {model.digest} was released",
            "Nothing was changed. A version never changes: train, register and promote a new one.",
        )
    return f"azureml:{model.name}:{model.version}"


def _create(client: MLClient, shared: Model, project: Project, model: ModelVersion, package: Path) -> None:
    tags = {DIGEST_TAG: model.digest, _REGISTRY_TAG: project.settings.registry}
    copy = Model(name=model.name, version=model.version, type=shared.type, path=package, tags=tags)
    try:
        with suppress_output():
            client.models.create_or_update(copy)
    except (AssetPathException, HttpResponseError):
        # Another rollout may have been faster; the bytes are checked afterwards.
        if not _has(client, model):
            raise


def _has(client: MLClient, model: ModelVersion) -> bool:
    try:
        client.models.get(model.name, model.version)
    except ResourceNotFoundError:
        return False
    return True
