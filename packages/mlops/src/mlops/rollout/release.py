"""What a stage is to run: the first the version that is asked for or the newest, the others what their release says.

A release's bytes come from the registry that all stages share; they are fetched, and their digest and provenance
are verified before anything of the stage is touched.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesOnlineEndpoint, Model, OnlineEndpoint
from azure.ai.ml.exceptions import AssetPathException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.azure.service_health import Objective
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect_management, connect_registry
from mlops.cli.progress import say
from mlops.core.errors import InputError, ProjectError, RolloutFailed
from mlops.models.package_store import fetch_package
from mlops.models.registration import DIGEST_TAG, ModelVersion, find_version
from mlops.provenance.verification import ProvenanceSubject, require_at_deployment
from mlops.rollout.deployment_files import configuration_of
from mlops.rollout.plan import Plan, Target
from mlops.settings.project import KUBERNETES, MANAGED, Project, Stage
from mlops.settings.releases import MIRROR, Manifest, skipped_phases
from mlops.settings.stages import StageName
from mlops.stages.release_history import read_judged_manifest


def require_kind(client: MLClient, name: StageName, stage: Stage) -> None:
    """Raise RolloutFailed when the endpoint stands elsewhere than where the stage wants it; none yet is fine."""
    try:
        endpoint = client.online_endpoints.get(stage.endpoint)
    except ResourceNotFoundError:
        return
    found, wanted = _where(endpoint), (stage.kubernetes_compute or "").lower()
    if found.lower() != wanted:
        raise RolloutFailed(
            f"endpoint {stage.endpoint} is {_words(found)}, but project.yml says that {name} is {_words(wanted)}",
            f"Nothing was changed. An endpoint stays where it was made: give {name} another `endpoint` in project.yml, "
            "move its callers, and delete the old one.",
        )


def _where(endpoint: OnlineEndpoint) -> str:
    """The name of the compute that an endpoint is on; "" for a managed one."""
    compute = endpoint.compute if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
    return (compute or "").rpartition("/")[2]


def _words(compute: str) -> str:
    return f"served by {KUBERNETES} ({compute})" if compute else f"served by {MANAGED} machines"


def find_target(client: MLClient, project: Project, stage: StageName, version: str | None) -> tuple[Target, MLClient]:
    """The target of a rollout, and the client of the place its model comes from.

    Raises ProjectError for a bad or empty release, WorkspaceError or RolloutFailed for a model that is not there
    or is not the one that was released.
    """
    manifest = read_judged_manifest(project, stage)
    place = project.settings.stage(stage)
    _require_health_source(manifest, stage, place)
    require_kind(client, stage, place)
    model, reference, models = model_to_run(client, project, stage, version, manifest)
    package, digest = fetch_package(models, project, model.name, model.version)
    if digest != model.digest:
        raise RolloutFailed(
            f"the bytes of {model.name} {model.version} have digest {digest}, but {model.digest} was released",
            "Nothing was changed. Find out who changed what, then train, register and promote again.",
        )
    released = None if stage == project.order.training else manifest.release
    require_at_deployment(project, ProvenanceSubject(stage, model, package, released))
    if place.serving == KUBERNETES and stage != project.order.training:
        reference = copy_to_workspace(client, models, project, model, package)
    plan = _plan(project, place, model, manifest)
    for each in plan.skipped_phases:
        say(f"{each.phase} is skipped: {each.reason}")
    if place.serving == KUBERNETES:
        say("Azure Monitor measures nothing of a Kubernetes endpoint: synthetic callers judge alone")
    target = Target(
        client=client,
        project=project,
        stage_name=stage,
        stage=place,
        plan=plan,
        objective=Objective(**manifest.slo.model_dump()),
        requests_per_second=manifest.rollout.load.requests_per_second,
        model=reference,
        package=package,
        monitor=partial(Monitor, connect_management()) if place.serving == MANAGED else None,
    )
    return target, models


def model_to_run(
    client: MLClient, project: Project, stage: StageName, version: str | None, manifest: Manifest
) -> tuple[ModelVersion, str, MLClient]:
    """The model of a stage, how a deployment names it, and the client of where it is. Raises as `find_target`."""
    order = project.order
    if stage == order.training:
        # Where one stage is all, it runs what was reviewed, as the last of several does.
        reviewed = manifest.release.model if manifest.release and stage == order.production else None
        if version is None and reviewed is not None:
            found = ModelVersion(reviewed.name, reviewed.version, reviewed.digest)
        else:
            found = find_version(client, project.settings.model, version)
        return found, f"azureml:{found.name}:{found.version}", client
    if version is not None:
        raise InputError(
            f"what {stage} runs is said by releases/{stage}.yml, not by --version",
            f"Promote it: `mlops promote --to {stage} --version {version}`.",
        )
    if manifest.release is None:
        raise ProjectError(
            f"nothing is released to {stage} yet: `release` in releases/{stage}.yml is null",
            f"Promote what the previous stage runs: `mlops promote --to {stage}`.",
        )
    released = manifest.release.model
    registry = project.settings.registry
    reference = f"azureml://registries/{registry}/models/{released.name}/versions/{released.version}"
    return ModelVersion(released.name, released.version, released.digest), reference, connect_registry(registry)


def _require_health_source(manifest: Manifest, stage: StageName, place: Stage) -> None:
    """Raise ProjectError when nobody could say how a new deployment does."""
    if place.serving == KUBERNETES and not manifest.rollout.load.seconds:
        raise ProjectError(
            f"releases/{stage}.yml has no synthetic callers (load.seconds is 0), and Azure Monitor measures nothing of "
            f"a Kubernetes endpoint: nobody could judge a rollout to {stage}",
            f"Set rollout.load.seconds in releases/{stage}.yml, to 5 for example.",
        )


def _plan(project: Project, place: Stage, model: ModelVersion, manifest: Manifest) -> Plan:
    rollout = manifest.rollout
    without = skipped_phases(rollout, place.serving)
    return Plan(
        model=model.name,
        version=model.version,
        digest=model.digest,
        configuration=configuration_of(project, place),
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
        with suppress_output():
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
