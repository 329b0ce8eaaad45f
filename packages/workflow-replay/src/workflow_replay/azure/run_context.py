"""The context of a run: reason, ref, commit, variables, and whether an event triggers the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workflow_replay.azure.ids import BUILD_ID, stable_id
from workflow_replay.azure.pipeline.model import Pipeline, PipelineResource
from workflow_replay.azure.pipeline.triggers import (
    HEADS,
    BuildValidation,
    Decision,
    on_completion,
    on_pull_request,
    on_push,
    on_schedule,
)
from workflow_replay.common.git import NO_COMMIT, Repository
from workflow_replay.errors import EventError
from workflow_replay.events import Completed, Event, Manual, PullRequest, Push, Schedule

_VALIDATED = ("opened", "synchronize", "reopened", "ready_for_review")


@dataclass(frozen=True)
class RunContext:
    """An event in a repository; `decide` tells whether it triggers a pipeline, `variables` depend on its kind."""

    reason: str
    ref: str
    commit: str
    message: str
    actor: str
    decide: Callable[[Pipeline], Decision]
    arguments: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    from_fork: bool = False


def build_run_context(folder: Path, event: Event, policy: BuildValidation | None) -> RunContext:
    """Return the context of an event in the repository in `folder`. Raises EventError for unknown refs.

    As in the service, the merge commit of a pull request is added to the repository as refs/pull/N/merge.
    """
    repository = Repository(folder)
    match event:
        case Push():
            return _push(repository, event)
        case PullRequest():
            return _pull_request(repository, event, policy)
        case Manual():
            ref = _full(event.ref)
            commit = _commit(repository, ref)
            message = repository.message(commit)
            starts = Decision(starts=True)
            return RunContext("Manual", ref, commit, message, event.actor, lambda _: starts, dict(event.inputs))
        case Schedule():
            return _schedule(repository, event)
        case Completed():
            return _completed(repository, event)
        case _:
            raise EventError(
                f"Azure Pipelines has no event {type(event).__name__}",
                "It has pushes, pull requests, manual runs, schedules and completed pipelines.",
            )


def _push(repository: Repository, event: Push) -> RunContext:
    ref = _full(event.ref)
    commit = _commit(repository, event.after or ref)
    message = repository.message(commit)

    def changed() -> Sequence[str]:
        return repository.changed(_compared(repository, event, commit), commit)

    return RunContext(
        "IndividualCI", ref, commit, message, event.actor, lambda pipeline: on_push(pipeline, ref, message, changed)
    )


def _compared(repository: Repository, event: Push, commit: str) -> str:
    if event.before != NO_COMMIT:
        return _commit(repository, event.before)
    # A new branch is compared with its merge base with the default branch.
    default = repository.resolve(f"{HEADS}{repository.default_branch()}")
    shared = repository.merge_base(default, commit) if default and default != commit else None
    return shared or NO_COMMIT


def _pull_request(repository: Repository, event: PullRequest, policy: BuildValidation | None) -> RunContext:
    head = _commit(repository, f"{HEADS}{event.head}")
    target = _commit(repository, f"{HEADS}{event.base}")
    merge = repository.merge(target, head, f"Merge pull request {event.number} from {event.head} into {event.base}")
    ref = f"refs/pull/{event.number}/merge"
    if merge is not None:
        repository.update_ref(ref, merge)
    variables = {
        "System.PullRequest.PullRequestId": str(event.number),
        "System.PullRequest.SourceBranch": f"{HEADS}{event.head}",
        "System.PullRequest.SourceCommitId": head,
        "System.PullRequest.TargetBranch": f"{HEADS}{event.base}",
        "System.PullRequest.TargetBranchName": event.base.rsplit("/", 1)[-1],
        "System.PullRequest.IsFork": str(event.from_fork),
    }

    def decide(_: Pipeline) -> Decision:
        if event.action not in _VALIDATED:
            return Decision(starts=False, reason=f"pull requests are not validated when {event.action}")
        if merge is None:
            return Decision(starts=False, reason=f"{event.head} conflicts with {event.base}")
        return on_pull_request(policy, event.base, lambda: repository.changed(target, merge))

    message = repository.message(merge or head)
    commit = merge or head
    return RunContext(
        "PullRequest", ref, commit, message, event.actor, decide, variables=variables, from_fork=event.from_fork
    )


def _schedule(repository: Repository, event: Schedule) -> RunContext:
    branch = repository.default_branch()
    commit = _commit(repository, f"{HEADS}{branch}")
    return RunContext(
        "Schedule",
        f"{HEADS}{branch}",
        commit,
        repository.message(commit),
        event.actor,
        lambda pipeline: on_schedule(pipeline, event.cron, branch),
    )


def _completed(repository: Repository, event: Completed) -> RunContext:
    """Return the context of a completed pipeline of the same repository: its branch is built."""
    ref = f"{HEADS}{event.branch}"
    commit = _commit(repository, ref)
    variables: dict[str, str] = {}

    def decide(pipeline: Pipeline) -> Decision:
        if event.action != "completed":
            return Decision(starts=False, reason=f"{event.workflow} is {event.action}")
        decision, resource = on_completion(
            pipeline, event.workflow, event.branch, succeeded=event.conclusion == "success", stages=event.stages,
            tags=event.tags,
        )  # fmt: skip
        if resource is not None:
            variables.update(_of_resource(resource, event, ref, commit))
        return decision

    message = repository.message(commit)
    return RunContext("ResourceTrigger", ref, commit, message, event.actor, decide, variables=variables)


def _of_resource(resource: PipelineResource, event: Completed, ref: str, commit: str) -> dict[str, str]:
    prefix = f"resources.pipeline.{resource.alias}"
    return {
        "Resources.TriggeringAlias": resource.alias,
        "Resources.TriggeringCategory": "Pipeline",
        f"{prefix}.pipelineName": event.workflow,
        f"{prefix}.pipelineID": stable_id(event.workflow),
        f"{prefix}.runID": BUILD_ID,
        f"{prefix}.runName": BUILD_ID,
        f"{prefix}.sourceBranch": ref,
        f"{prefix}.sourceCommit": commit,
        f"{prefix}.sourceProvider": "TfsGit",
        f"{prefix}.requestedFor": event.actor,
    }


def _full(ref: str) -> str:
    return ref if ref.startswith("refs/") else f"{HEADS}{ref}"


def _commit(repository: Repository, revision: str) -> str:
    commit = repository.resolve(revision)
    if commit is None:
        raise EventError(f"{repository.folder} has no {revision}", "Name an existing branch, tag or commit.")
    return commit
