"""What git releases to a stage and what its endpoint runs, read once for promote, gate and revert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.azure.workspace import WorkspaceClients
from mlops.core.documents import read_text
from mlops.core.errors import InputError
from mlops.core.git import REMOTE, Repository
from mlops.endpoint.view import Live, View, live_in, observe_stage
from mlops.promotion.branch import Base, find_base
from mlops.settings.project import Stage
from mlops.settings.releases import Model, Release, manifest_file, manifest_path
from mlops.settings.stages import StageName
from mlops.stages.release_history import release_at


@dataclass(frozen=True)
class StageState:
    """A stage at one point in time: its settings, git's release (None: nothing), and the state of its endpoint."""

    stage: StageName
    settings: Stage
    released: Release | None
    view: View

    @property
    def live(self) -> Live | None:
        """The deployment with most of the traffic."""
        return live_in(self.view)

    def runs(self, model: Model, name: str) -> bool:
        """Whether it runs this model, with all traffic and no rollout in progress; `name` is the project's model."""
        live = self.live
        if live is None or live.obstacle:
            return False
        return (name, live.version, live.digest) == (model.name, model.version, model.digest)


@dataclass(frozen=True)
class PromotionState:
    """The state that a promotion is decided on: the default branch's newest commit, the target, and its source.

    `source` is the target itself if it trains its models.
    """

    base: Base
    target: StageState
    source: StageState


def read_promotion(clients: WorkspaceClients, target: StageName) -> PromotionState:
    """Read the state that a promotion to a stage is decided on.

    Raises InputError outside of a git repository, MachineError if the remote does not answer.
    """
    base = find_base(Repository(clients.project.root))
    state = read_stage(clients, target, base.commit)
    order = clients.project.order
    if target == order.training:
        return PromotionState(base, state, state)
    return PromotionState(base, state, read_stage(clients, order.source_of(target), base.commit))


def change_base(root: Path, stage: StageName, base: str | None) -> str | None:
    """The revision that a change is judged against: `base`, or where the working tree's change branched off.

    Raises InputError if `base` is an unknown revision.
    """
    repository = Repository(root)
    if base is not None and repository.resolve(base) is None:
        raise InputError(
            f"unknown revision '{base}'",
            "Fetch it first; a shallow clone lacks older history (`git fetch --unshallow`).",
        )
    return base or default_base(repository, root, stage)


def read_stage(clients: WorkspaceClients, stage: StageName, revision: str | None) -> StageState:
    """Read a stage with git's release at a revision; None for a project without history."""
    settings = clients.project.settings.stage(stage)
    released = release_at(Repository(clients.project.root), revision, stage)
    return StageState(stage, settings, released, observe_stage(clients.stage(stage), settings))


def default_base(repository: Repository, root: Path, stage: StageName) -> str | None:
    """Where the change branched off the remote's default branch; on that branch, the previous commit."""
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
    edited = written.is_file() and read_text(written) != committed
    return head if edited else repository.resolve(f"{head}~1")
