"""Which release a proposal would replace: the manifest's at the base of the change, else what runs live."""

from __future__ import annotations

from pathlib import Path

from mlops.azure.clients import WorkspaceClients
from mlops.core.errors import InputError
from mlops.core.git import REMOTE, Repository
from mlops.endpoint.current_deployment import live_model
from mlops.models.origin import release_of
from mlops.models.package_store import fetch_package
from mlops.models.registration import ModelVersion
from mlops.settings.release_history import release_at
from mlops.settings.releases import Release, manifest_file, manifest_path
from mlops.settings.stages import StageName


def champion_release(
    clients: WorkspaceClients, stage: StageName, base: str | None, challenger: Release
) -> Release | None:
    """The release to compare with, None for a first one. Raises InputError when `base` is no revision."""
    repository = Repository(clients.project.root)
    if base is not None and repository.resolve(base) is None:
        raise InputError(
            f"git knows no revision '{base}'",
            "Fetch it first; a shallow clone knows little of its past (`git fetch --unshallow`).",
        )
    revision = base or default_base(repository, clients.project.root, stage)
    return release_at(repository, revision, stage) or live_release(clients, stage, challenger)


def live_release(clients: WorkspaceClients, stage: StageName, challenger: Release) -> Release | None:
    """What the stage runs, where that is another model than the challenger."""
    live = live_model(clients.stage(stage), clients.project.settings.stage(stage))
    if live is None or not live.digest or live.digest == challenger.model.digest:
        return None
    name = clients.project.settings.model
    package, _ = fetch_package(clients.models(stage), clients.project, name, live.version)
    source = clients.project.order.source_of(stage)
    return release_of(package, ModelVersion(name, live.version, live.digest), source)


def default_base(repository: Repository, root: Path, stage: StageName) -> str | None:
    """Where the change began: where it left the remote's default branch, on that branch the commit before."""
    head = repository.resolve("HEAD")
    if head is None:
        return None
    branch = repository.default_branch(REMOTE)
    tip = (
        (repository.fetch(REMOTE, branch) or repository.resolve(f"refs/remotes/{REMOTE}/{branch}")) if branch else None
    )
    fork = repository.merge_base(head, tip) if tip else head
    if fork != head:
        return fork
    committed = repository.read(head, manifest_path(stage))
    written = manifest_file(root, stage)
    edited = written.is_file() and written.read_text(encoding="utf-8") != committed
    return head if edited else repository.resolve(f"{head}~1")
