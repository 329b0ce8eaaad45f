"""What can be promoted: the model that the stage before runs, healthy and with all traffic, and its very bytes."""

from __future__ import annotations

from mlops.azure.clients import WorkspaceClients
from mlops.core.errors import PromotionRefused, RolloutFailed
from mlops.endpoint.current_deployment import Live, live_model, prove_live
from mlops.gates.proposal import Candidate
from mlops.models.origin import release_of
from mlops.models.package_store import fetch_package, package_of_model
from mlops.models.registration import ModelVersion, find_version
from mlops.settings.project import Project
from mlops.settings.stages import StageName


def find_candidate(clients: WorkspaceClients, target: StageName, version: str | None) -> Candidate:
    """The release to propose for a stage. Raises PromotionRefused, or WorkspaceError for a version that is not there.

    The stage that trains takes any registered version, the newest when none is named.
    """
    project = clients.project
    order = project.order
    source = order.source_of(target)
    if target == order.training:
        model = find_version(clients.training, project.settings.model, version)
        package = package_of_model(clients.training, project, model)
        return Candidate(package, release_of(package, model, source))
    live = _running(clients, source, target, version)
    model = ModelVersion(project.settings.model, live.version, live.digest)
    package, digest = fetch_package(clients.models(source), project, model.name, model.version)
    if digest != live.digest:
        raise PromotionRefused(
            f"{source} runs {live.digest}, but version {live.version} of model {model.name} has digest {digest}",
            "The version was replaced: do not promote it, train and register again.",
        )
    candidate = Candidate(package, release_of(package, model, source))
    _verify(clients, source, live, candidate)
    return candidate


def _running(clients: WorkspaceClients, source: StageName, target: StageName, version: str | None) -> Live:
    name = clients.project.settings.model
    if version is not None:
        # A version that was never registered is another mistake than one that does not run.
        find_version(clients.training, name, version)
    live = live_model(clients.stage(source), clients.project.settings.stage(source))
    if live is None:
        raise PromotionRefused(
            f"{source} runs nothing yet, and {target} takes only what runs in {source}",
            f"Release to {source} first{_how(clients.project, source)}; no stage is skipped.",
        )
    if version is not None and version != live.version:
        raise PromotionRefused(
            f"version {version} does not run in {source}, which runs version {live.version}",
            f"Release version {version} to {source} first{_how(clients.project, source)}; no stage is skipped.",
        )
    if live.obstacle:
        raise PromotionRefused(
            f"version {live.version} is not settled in {source}: {live.obstacle}",
            f"Let its rollout end (`mlops deploy --stage {source}`), then promote.",
        )
    return live


def _verify(clients: WorkspaceClients, source: StageName, live: Live, candidate: Candidate) -> None:
    """Ask the live deployment the package's golden questions: what does not answer is not healthy."""
    try:
        prove_live(clients.stage(source), clients.project.settings.stage(source), live, candidate.folder)
    except RolloutFailed as error:
        raise PromotionRefused(
            f"version {live.version} does not run healthy in {source}: {error.message}",
            f"Look at `mlops status --stage {source}`; only what runs healthy is promoted.",
            error.details,
        ) from error


def _how(project: Project, stage: StageName) -> str:
    is_first = stage == project.order.training
    return f" (`mlops deploy --stage {stage}`)" if is_first else f" (`mlops promote --to {stage}`)"
