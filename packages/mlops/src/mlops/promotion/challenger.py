"""The packages of a promotion: the challenger, the champion that it would replace, and the registry's copy.

Only the model that the previous stage runs, healthy and with all traffic, can be promoted, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import PromotionRefused, RolloutFailed
from mlops.endpoint.view import Live, prove_live
from mlops.gates.evidence import Candidate
from mlops.models.registered import (
    ModelVersion,
    fetch_package,
    find_version,
    package_of_model,
    read_provenance,
    release_of,
)
from mlops.promotion.stage_state import PromotionState, StageState
from mlops.settings.project import Project
from mlops.settings.releases import Model, Release
from mlops.settings.stages import StageName
from model_package.provenance import Provenance


@dataclass(frozen=True)
class Challenger:
    """A candidate for a stage, and the provenance.json of its package."""

    candidate: Candidate
    provenance: Provenance

    @property
    def model(self) -> ModelVersion:
        """The model version in its release."""
        return ModelVersion(**self.candidate.release.model.model_dump())


def find_challenger(clients: WorkspaceClients, state: PromotionState, version: str | None) -> Challenger:
    """The release to propose. Raises PromotionRefused, or WorkspaceError for an unknown version.

    The training stage accepts any registered version, by default the newest.
    """
    if state.target.stage == clients.project.order.training:
        return _registered(clients, state.target.stage, version)
    return _running(clients, state, version)


def settled_model(project: Project, state: PromotionState, version: str | None) -> Live:
    """The model that the source runs, if it may be promoted. Raises PromotionRefused. Pure."""
    source, target, live = state.source.stage, state.target.stage, state.source.live
    if live is None:
        raise PromotionRefused(
            f"{source} runs no model yet, and {target} accepts only a model that runs in {source}",
            f"Release to {source} first{_how(project, source)}; no stage can be skipped.",
        )
    if version is not None and version != live.version:
        raise PromotionRefused(
            f"version {version} does not run in {source}, which runs version {live.version}",
            f"Release version {version} to {source} first{_how(project, source)}; no stage can be skipped.",
        )
    if live.obstacle:
        raise PromotionRefused(
            f"version {live.version} is not settled in {source}: {live.obstacle}",
            f"Finish its rollout (`mlops deploy --stage {source}`), then promote.",
        )
    return live


def released_challenger(clients: WorkspaceClients, stage: StageName, release: Release) -> Challenger:
    """A release with the package that its stage would deploy; a gate checks the bytes."""
    candidate = _fetched(clients, stage, release)
    return Challenger(candidate, read_provenance(candidate.folder))


def read_champion(clients: WorkspaceClients, state: StageState, challenger: Release) -> Candidate | None:
    """The model that would be replaced: git's release, else a different live model; None for neither."""
    if state.released is not None:
        return _fetched(clients, state.stage, state.released)
    live = state.live
    if live is None or not live.digest or live.digest == challenger.model.digest:
        return None
    project = clients.project
    package, _ = fetch_package(clients.models(state.stage), project, project.settings.model, live.version)
    model = ModelVersion(project.settings.model, live.version, live.digest)
    return Candidate(package, release_of(read_provenance(package), model, project.order.source_of(state.stage)))


def share(clients: WorkspaceClients, model: Model) -> bool:
    """Ensure that the registry, from which every stage gets its models, has the version; return whether it is new.

    Raises PromotionRefused if the registry has different bytes under that version.
    """
    registry = clients.project.settings.registry
    is_new = not _has(clients, model)
    if is_new:
        with suppress_output():
            clients.training.models.share(
                model.name,
                model.version,
                share_with_name=model.name,
                share_with_version=model.version,
                registry_name=registry,
            )
    _, digest = fetch_package(clients.registry, clients.project, model.name, model.version)
    if digest != model.digest:
        raise PromotionRefused(
            f"registry {registry} has version {model.version} of model {model.name} with digest {digest}, "
            f"not {model.digest}",
            "A version in the registry never changes: register a new one (`mlops train`) and promote it.",
        )
    return is_new


def _registered(clients: WorkspaceClients, target: StageName, version: str | None) -> Challenger:
    project = clients.project
    model = find_version(clients.training, project.settings.model, version)
    return _challenger(package_of_model(clients.training, project, model), model, target)


def _running(clients: WorkspaceClients, state: PromotionState, version: str | None) -> Challenger:
    project, source = clients.project, state.source
    if version is not None:
        # An unregistered version is a different mistake from one that does not run.
        find_version(clients.training, project.settings.model, version)
    live = settled_model(project, state, version)
    model = ModelVersion(project.settings.model, live.version, live.digest)
    package, digest = fetch_package(clients.models(source.stage), project, model.name, model.version)
    if digest != live.digest:
        raise PromotionRefused(
            f"{source.stage} runs {live.digest}, but version {live.version} of model {model.name} has digest {digest}",
            "The version was replaced: do not promote it; train and register again.",
        )
    challenger = _challenger(package, model, source.stage)
    # A deployment that fails the golden requests of its package is not healthy.
    try:
        prove_live(clients.stage(source.stage), source.settings, live, package)
    except RolloutFailed as error:
        raise PromotionRefused(
            f"version {live.version} is not healthy in {source.stage}: {error.message}",
            f"Check `mlops status --stage {source.stage}`; only healthy models are promoted.",
            error.details,
        ) from error
    return challenger


def _challenger(package: Path, model: ModelVersion, source: StageName) -> Challenger:
    provenance = read_provenance(package)
    return Challenger(Candidate(package, release_of(provenance, model, source)), provenance)


def _fetched(clients: WorkspaceClients, stage: StageName, release: Release) -> Candidate:
    package, _ = fetch_package(clients.models(stage), clients.project, release.model.name, release.model.version)
    return Candidate(package, release)


def _how(project: Project, stage: StageName) -> str:
    is_first = stage == project.order.training
    return f" (`mlops deploy --stage {stage}`)" if is_first else f" (`mlops promote --to {stage}`)"


def _has(clients: WorkspaceClients, model: Model) -> bool:
    try:
        clients.registry.models.get(model.name, model.version)
    except ResourceNotFoundError:
        return False
    return True
