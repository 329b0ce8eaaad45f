"""What a stage is to run: dev the version that is asked for or the newest, the others what their release says.

A release's bytes come from the registry that all stages share; they are fetched and their digest is verified
before anything of the stage is touched.
"""

from __future__ import annotations

from functools import partial

from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineEndpoint

from mlops.errors import InputError, ProjectError, RolloutFailed
from mlops.progress import say
from mlops.project import Project, StageName
from mlops.releases.manifest import TRAINING_STAGE, Manifest, manifest_file, read_manifest
from mlops.rollout.metrics import Monitor
from mlops.rollout.plan import Plan
from mlops.rollout.target import Target
from mlops.rollout.verdict import Objective
from mlops.serving.deployment_files import configuration_of, load_endpoint
from mlops.training.package_store import fetch_package
from mlops.training.registration import ModelVersion, find_version
from mlops.workspace import connect_management, connect_registry


def find_target(client: MLClient, project: Project, stage: StageName, version: str | None) -> tuple[Target, MLClient]:
    """The target of a rollout, and the client of the place its model comes from.

    Raises ProjectError for a bad or empty release, WorkspaceError or RolloutFailed for a model that is not there
    or is not the one that was released.
    """
    manifest = read_manifest(manifest_file(project.root, stage), stage)
    model, reference, models = _model(client, project, stage, version, manifest)
    package, digest = fetch_package(models, project, model.name, model.version)
    if digest != model.digest:
        raise RolloutFailed(
            f"the bytes of {model.name} {model.version} have digest {digest}, but {model.digest} was released",
            "Nothing was changed. Find out who changed what, then train, register and promote again.",
        )
    place = project.settings.stage(stage)
    target = Target(
        client=client,
        project=project,
        stage_name=stage,
        stage=place,
        plan=_plan(project, stage, model, manifest),
        objective=Objective(**manifest.slo.model_dump()),
        requests_per_second=manifest.rollout.load.requests_per_second,
        model=reference,
        package=package,
        monitor=partial(Monitor, connect_management()),
    )
    return target, models


def _model(
    client: MLClient, project: Project, stage: StageName, version: str | None, manifest: Manifest
) -> tuple[ModelVersion, str, MLClient]:
    """The model, how a deployment names it, and the client of where it lies."""
    if stage == TRAINING_STAGE:
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
            f"Promote what the stage before runs: `mlops promote --to {stage}`.",
        )
    released = manifest.release.model
    registry = project.settings.registry
    reference = f"azureml://registries/{registry}/models/{released.name}/versions/{released.version}"
    return ModelVersion(released.name, released.version, released.digest), reference, connect_registry(registry)


def _plan(project: Project, stage: StageName, model: ModelVersion, manifest: Manifest) -> Plan:
    place, rollout = project.settings.stage(stage), manifest.rollout
    mirror = rollout.mirror_percentage
    if mirror and not isinstance(load_endpoint(project, place), ManagedOnlineEndpoint):
        say(f"{place.endpoint} is no managed endpoint and cannot mirror traffic: that step is left out")
        mirror = 0
    return Plan(
        model=model.name,
        version=model.version,
        digest=model.digest,
        configuration=configuration_of(project, place),
        mirror_percentage=mirror,
        steps=rollout.traffic_steps,
        load_seconds=rollout.load.seconds,
        soak_seconds=rollout.soak_seconds,
        patience_seconds=rollout.patience_seconds,
    )
