"""A pull request that reconciles git with what a stage runs, after a rollback.

The live endpoint is never touched here. The proposed release is always one that git has released before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops.audit.log import AuditLog
from mlops.audit.record import BY_HAND, Event, Record
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.core.git import Repository
from mlops.core.layout import demo_hint
from mlops.core.markdown import escape
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.view import Live
from mlops.githost.hosts import pull_requests_of
from mlops.githost.interface import PullRequest
from mlops.promotion.branch import Base, find_base, publish, release_text, revert_branch
from mlops.promotion.promote import Proposed
from mlops.promotion.stage_state import read_stage
from mlops.rollout.audit_writer import LEFT
from mlops.settings.releases import Release, manifest_path, without_release
from mlops.settings.stages import StageName
from mlops.stages.release_history import release_at

_NOTHING: Final = "nothing"
_WHAT_A_MERGE_DOES: Final = (
    "Merging reconciles git with what runs. It moves no traffic, unless the endpoint's files have changed since that "
    "release: then it is rolled out again, with the current files."
)
_TRIED_AGAIN: Final = frozenset({"begin", "finish"})


@dataclass(frozen=True)
class RevertResult(Result):
    """What was found, and the pull request if one was needed."""

    stage: StageName
    released: Release | None
    live: str
    reason: str
    proposed: Proposed | None = None

    @property
    def outputs(self) -> dict[str, str]:
        """The pull request, for later steps."""
        return {"pull_request": (self.proposed.pull_request.url or "") if self.proposed else ""}

    def document(self) -> dict[str, Any]:
        """Everything."""
        proposed = self.proposed
        return {
            "stage": self.stage,
            "released": self.released.model.model_dump(mode="json") if self.released else None,
            "live": self.live,
            "reason": self.reason,
            "branch": proposed.branch if proposed else None,
            "commit": proposed.commit if proposed else None,
            "pull_request": proposed.pull_request.url if proposed else None,
        }

    def blocks(self) -> Sequence[Block]:
        """The finding, and what to do."""
        if self.proposed is None:
            return [Line(f"nothing to revert in {self.stage}: {self.reason}", "good")]
        request = self.proposed.pull_request
        rows = [("branch", self.proposed.branch), ("commit", self.proposed.commit)]
        rows += [("pull request", request.url)] if request.url else []
        return [Line(self.reason, "bad"), Table("revert", (), tuple(rows)), Line(request.advice, "hint")]


def revert(clients: WorkspaceClients, stage: StageName) -> RevertResult:
    """Propose git's last release of the model that the stage runs; nothing if git already names it.

    Raises InputError if git never released what runs.
    """
    repository = Repository(clients.project.root)
    base = find_base(repository)
    state = read_stage(clients, stage, base.commit)
    released, live = state.released, state.live
    name = f"version {live.version}" if live else _NOTHING
    agreement = _reason_for_nothing(released, live, name)
    if released is None or agreement:
        return RevertResult(stage, released, name, agreement or _released_elsewhere(clients, name))
    log = AuditLog(clients.stage(stage))
    why = rolled_back_for(log.read()[0], released.model.digest)
    reason = f"git releases version {released.model.version} to {stage}, which runs {name}"
    if why is None:
        untried = f"{reason}, but no rollback is recorded since; roll it out with `mlops deploy --stage {stage}`"
        return RevertResult(stage, released, name, untried)
    text = _reconciled_manifest(repository, base, stage, live)
    proposed = _propose(repository, base, stage, released, text, f"{reason}: {why}")
    log.append(_event(stage, released, live, reason, proposed))
    return RevertResult(stage, released, name, reason, proposed)


def rolled_back_for(records: Sequence[Record], digest: str) -> str | None:
    """Why a model was last rolled back; None if it never was, or has been tried again since. Pure."""
    why = None
    for event in (record.event for record in records):
        if event.kind == "rollback" and digest == _rolled_back_digest(event):
            why = event.reason
        elif event.kind == "rollout" and event.digest == digest and event.step in _TRIED_AGAIN:
            why = None
    return why


def _rolled_back_digest(event: Event) -> str:
    """The digest of the model that a rollback took traffic from."""
    if event.step != BY_HAND:
        return event.digest
    return event.evidence.get(LEFT, "").rpartition(" ")[2]


def _released_elsewhere(clients: WorkspaceClients, name: str) -> str:
    hint = demo_hint(clients.project.root)
    return f"git releases no model, but it runs {name}{f'. {hint}' if hint else ''}"


def _reason_for_nothing(released: Release | None, live: Live | None, name: str) -> str | None:
    """Why there is nothing to do; None if git and the stage disagree. Pure."""
    if released is None or live is None:
        return None
    if live.digest == released.model.digest:
        return f"it runs {name}, as in git"
    return f"it is not settled: {live.obstacle}" if live.obstacle else None


def _reconciled_manifest(repository: Repository, base: Base, stage: StageName, live: Live | None) -> bytes:
    """The manifest with git's earlier release of the live model; without a release if nothing is live.

    A release that came from a removed stage is restored unchanged: it was judged when it was made.
    """
    path = manifest_path(stage)
    text = repository.read(base.commit, path) or ""
    if live is None:
        return without_release(text)
    for commit in repository.changes_of(path, base.commit):
        earlier = release_at(repository, commit, stage)
        if earlier is not None and earlier.model.digest == live.digest:
            return release_text(text, stage, earlier)
    raise InputError(
        f"{stage} runs version {live.version} ({live.digest}), which {path} never released",
        f"Check `mlops history --stage {stage}`, and correct {path} in a pull request.",
    )


def _propose(
    repository: Repository, base: Base, stage: StageName, released: Release, text: bytes, reason: str
) -> Proposed:
    model = released.model
    branch = revert_branch(repository, stage, model)
    title = f"Revert {stage}: {model.name} {model.version} does not run there"
    commit = publish(repository, base, branch, {manifest_path(stage): text}, f"{title}\n\n{reason}.\n")
    if base.remote is None:
        opened = PullRequest(None, f"There is no remote. Review the branch, then: git merge --no-ff {branch}")
    else:
        body = f"{escape(reason)}.\n\n{_WHAT_A_MERGE_DOES}\n"
        opened = pull_requests_of(base.remote, repository.folder).propose(branch, base.branch, title, body)
    return Proposed(branch, commit, base.commit, opened)


def _event(stage: StageName, released: Release, live: Live | None, reason: str, proposed: Proposed) -> Event:
    return Event(
        kind="promotion",
        stage=stage,
        step="revert",
        model=released.model.name,
        version=live.version if live else released.model.version,
        digest=live.digest if live else released.model.digest,
        target=stage,
        reason=reason,
        evidence={"branch": proposed.branch, "commit": proposed.commit, "base": proposed.base},
    )
