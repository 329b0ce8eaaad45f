"""What git releases to a stage and what its endpoint runs, read once for promote, gate and revert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError

from mlops.audit.log import AuditLog
from mlops.audit.record import IMAGE, digest_of, of_model
from mlops.azure.workspace import WorkspaceClients
from mlops.core.documents import read_text
from mlops.core.environments import job_image
from mlops.core.errors import InputError, PromotionRefused
from mlops.core.git import REMOTE, Repository
from mlops.core.layout import MONITOR_PIPELINE_FILE, SCORING_PIPELINE_FILE
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


def require_job_images(clients: WorkspaceClients, target: StageName) -> None:
    """Raise PromotionRefused if files were scored, or drift measured, in another image than this revision's.

    The target builds no images: it has those that the first stage built and the stage before ran. What has not run
    there yet is not compared.
    """
    project, order = clients.project, clients.project.order
    if project.settings.stage(target).images == "own" or target == order.training:
        return
    for stage in dict.fromkeys((order.training, order.source_of(target))):
        for pipeline, ran, command in (
            (SCORING_PIPELINE_FILE, _scored_in(clients, stage), f"mlops deploy --stage {stage} --batch"),
            (MONITOR_PIPELINE_FILE, _measured_in(clients, stage), f"mlops monitor --stage {stage}"),
        ):
            wanted = job_image(project.path(pipeline))
            if ran and wanted and digest_of(ran) != digest_of(wanted):
                raise PromotionRefused(
                    f"{pipeline.stem} ran in {ran.partition(' ')[0]} in {stage}, and would run in "
                    f"{wanted.partition(' ')[0]} with other packages in {target}, which builds no images",
                    f"Run it in {stage} in this revision first (`{command}`), then promote again.",
                )


def _scored_in(clients: WorkspaceClients, stage: StageName) -> str:
    """The image of the batch endpoint's default deployment."""
    client, endpoint = clients.stage(stage), clients.project.settings.stage(stage).files_endpoint
    try:
        name = getattr(client.batch_endpoints.get(endpoint).defaults, "deployment_name", None)
        tags = client.batch_deployments.get(name, endpoint).tags if name else None
    except ResourceNotFoundError:
        return ""
    return (tags or {}).get(IMAGE, "")


def _measured_in(clients: WorkspaceClients, stage: StageName) -> str:
    """The image of the last measurement; none after one without collected rows, which needs no job."""
    records, _ = AuditLog(clients.stage(stage)).read()
    mine = of_model(records, clients.project.settings.model)
    events = [record.event for record in mine if record.event.kind == "monitor"]
    return events[-1].evidence.get(IMAGE, "") if events else ""
