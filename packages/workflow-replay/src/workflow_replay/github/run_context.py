"""The context of a run: event, ref, commit, payload, and the commits to compare for path filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workflow_replay.common.git import NO_COMMIT, Repository
from workflow_replay.errors import EventError
from workflow_replay.events import (
    Completed,
    Dispatch,
    Event,
    Manual,
    MergeGroup,
    PullRequest,
    Push,
    Schedule,
)
from workflow_replay.github.service_urls import repository_url
from workflow_replay.host_environment import HostEnvironment

_BRANCH: Final = "refs/heads/"
_TAG: Final = "refs/tags/"
_MERGE_MESSAGE: Final = "Merge {head} into {base}"
_SKIP_MARKS: Final = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")


@dataclass(frozen=True)
class RunContext:
    """An event in a repository, as GitHub passes it to workflows.

    Path filters apply to the files that differ between `before` and `after`, and not at all if `before` is None.
    `action` is the activity type ("opened"), `target` the branch or tag that filters match, `head_ref` and `base_ref`
    are the branches of a pull request. `skip_reason` says why GitHub would not start any workflow.
    """

    name: str
    ref: str
    commit: str
    actor: str
    payload: Mapping[str, Any]
    target: str | None = None
    before: str | None = None
    after: str | None = None
    action: str | None = None
    head_ref: str = ""
    base_ref: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    cron: str | None = None
    workflow: str | None = None
    from_fork: bool = False
    skip_reason: str = ""

    @property
    def ref_name(self) -> str:
        """The short name of the ref."""
        for prefix in (_BRANCH, _TAG, "refs/pull/"):
            if self.ref.startswith(prefix):
                return self.ref.removeprefix(prefix)
        return self.ref

    @property
    def is_tag(self) -> bool:
        """Whether the ref is a tag."""
        return self.ref.startswith(_TAG)


def build_run_context(folder: Path, event: Event, host: HostEnvironment) -> RunContext:
    """The context of an event in the repository in `folder`. Raises EventError for unknown refs.

    As on GitHub, the merge commit of a pull request is added to the repository as refs/pull/N/merge.
    """
    repository = Repository(folder)
    base = {"repository": _repository(repository, host), "sender": {"login": event.actor, "type": "User"}}
    match event:
        case Push():
            return _push(repository, event, base)
        case PullRequest():
            return _pull_request(repository, event, base)
        case Manual():
            return _manual(repository, event, base)
        case MergeGroup():
            return _merge_group(repository, event, base)
        case Schedule() | Dispatch() | Completed():
            return _on_default_branch(repository, event, base)


def _push(repository: Repository, event: Push, base: Mapping[str, Any]) -> RunContext:
    commit = _commit(repository, event.after or event.ref)
    author, address = repository.author(commit)
    head = {
        "id": commit,
        "message": repository.message(commit),
        "author": {"name": author, "email": address},
        "committer": {"name": author, "email": address},
    }
    payload = {
        "ref": event.ref,
        "before": event.before,
        "after": commit,
        "created": event.before == NO_COMMIT,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "head_commit": head,
        "commits": [head],
        "pusher": {"name": event.actor},
        **base,
    }
    before = None if event.ref.startswith(_TAG) else _compared(repository, event, commit)
    target = event.ref.removeprefix(_TAG).removeprefix(_BRANCH)
    return RunContext(
        "push", event.ref, commit, event.actor, payload, target, before, commit, skip_reason=_skip(repository, commit)
    )


def _compared(repository: Repository, event: Push, commit: str) -> str:
    if event.before != NO_COMMIT:
        return _commit(repository, event.before)
    # A new branch is compared with its merge base with the default branch.
    default = repository.resolve(f"{_BRANCH}{repository.default_branch()}")
    shared = repository.merge_base(default, commit) if default and default != commit else None
    return shared or NO_COMMIT


def _pull_request(repository: Repository, event: PullRequest, base: Mapping[str, Any]) -> RunContext:
    head = _commit(repository, f"{_BRANCH}{event.head}")
    target = _commit(repository, f"{_BRANCH}{event.base}")
    merged = event.action == "closed" and event.merged
    merge = target if merged else repository.merge(target, head, _MERGE_MESSAGE.format(head=head, base=target))
    ref = f"{_BRANCH}{event.base}" if merged else f"refs/pull/{event.number}/merge"
    if merge is not None and not merged:
        repository.update_ref(f"refs/pull/{event.number}/head", head)
        repository.update_ref(ref, merge)
    request = _request_document(event, head, target, merge, base["repository"])
    payload = {"action": event.action, "number": event.number, "pull_request": request, **base}
    conflict = "" if merge else f"{event.head} conflicts with {event.base}: GitHub runs nothing until that is resolved"
    return RunContext(
        name="pull_request",
        ref=ref,
        commit=merge or head,
        actor=event.actor,
        payload=payload,
        target=event.base,
        # A three-dot diff: what the branch changed since its merge base.
        before=repository.merge_base(target, head) or NO_COMMIT,
        after=head,
        action=event.action,
        head_ref=event.head,
        base_ref=event.base,
        from_fork=event.from_fork,
        skip_reason=conflict or _skip(repository, head),
    )


def _request_document(
    event: PullRequest, head: str, target: str, merge: str | None, repository: Mapping[str, Any]
) -> dict[str, Any]:
    """`github.event.pull_request`: `head`, `target` and `merge` are commits; `merge` is None for a conflict."""
    full_name = repository["full_name"]
    head_owner = "contributor" if event.from_fork else repository["owner"]["login"]
    head_name = f"{head_owner}/{repository['name']}" if event.from_fork else full_name
    return {
        "number": event.number,
        "title": event.title,
        "body": event.body or None,
        "state": "closed" if event.action == "closed" else "open",
        "draft": event.draft,
        "merged": event.merged,
        "merge_commit_sha": merge,
        "labels": [{"name": label} for label in event.labels],
        "user": {"login": event.actor},
        "author_association": "CONTRIBUTOR" if event.from_fork else "MEMBER",
        "html_url": f"{repository['html_url']}/pull/{event.number}",
        "head": {
            "ref": event.head,
            "sha": head,
            "label": f"{head_owner}:{event.head}",
            "repo": {"full_name": head_name, "fork": event.from_fork, "owner": {"login": head_owner}},
        },
        "base": {
            "ref": event.base,
            "sha": target,
            "repo": {"full_name": full_name, "default_branch": repository["default_branch"]},
        },
    }


def _manual(repository: Repository, event: Manual, base: Mapping[str, Any]) -> RunContext:
    commit = _commit(repository, event.ref)
    payload = {"ref": event.ref, "inputs": dict(event.inputs), "workflow": "", **base}
    target = event.ref.removeprefix(_TAG).removeprefix(_BRANCH)
    return RunContext("workflow_dispatch", event.ref, commit, event.actor, payload, target, inputs=dict(event.inputs))


def _merge_group(repository: Repository, event: MergeGroup, base: Mapping[str, Any]) -> RunContext:
    commit = _commit(repository, event.head)
    target = _commit(repository, f"{_BRANCH}{event.base}")
    group = {
        "head_ref": event.head,
        "head_sha": commit,
        "base_ref": f"{_BRANCH}{event.base}",
        "base_sha": target,
    }
    payload = {"action": "checks_requested", "merge_group": group, **base}
    return RunContext("merge_group", event.head, commit, event.actor, payload, event.base, action="checks_requested")


def _on_default_branch(
    repository: Repository, event: Schedule | Dispatch | Completed, base: Mapping[str, Any]
) -> RunContext:
    branch = repository.default_branch()
    ref = f"{_BRANCH}{branch}"
    commit = _commit(repository, ref)
    match event:
        case Schedule(cron=cron):
            return RunContext("schedule", ref, commit, event.actor, {"schedule": cron, **base}, branch, cron=cron)
        case Dispatch():
            payload = {"action": event.type, "client_payload": dict(event.payload), "branch": branch, **base}
            return RunContext("repository_dispatch", ref, commit, event.actor, payload, branch, action=event.type)
        case Completed():
            run = {
                "name": event.workflow,
                "head_branch": event.branch,
                "head_sha": repository.resolve(f"{_BRANCH}{event.branch}"),
                "conclusion": event.conclusion if event.action == "completed" else None,
                "status": event.action,
                "event": "push",
                "id": 1,
            }
            payload = {"action": event.action, "workflow_run": run, "workflow": {"name": event.workflow}, **base}
            return RunContext(
                name="workflow_run",
                ref=ref,
                commit=commit,
                actor=event.actor,
                payload=payload,
                target=event.branch,
                action=event.action,
                workflow=event.workflow,
            )


def _repository(repository: Repository, host: HostEnvironment) -> dict[str, Any]:
    url = repository_url(host)
    return {
        "name": host.name,
        "full_name": f"{host.owner}/{host.name}",
        "owner": {"login": host.owner},
        "default_branch": repository.default_branch(),
        "private": True,
        "fork": False,
        "html_url": url,
        "clone_url": f"{url}.git",
    }


def _commit(repository: Repository, revision: str) -> str:
    commit = repository.resolve(revision)
    if commit is None:
        raise EventError(f"{repository.folder} has no {revision}", "Name an existing branch, tag or commit.")
    return commit


def _skip(repository: Repository, commit: str) -> str:
    message = repository.message(commit)
    found = next((mark for mark in _SKIP_MARKS if mark in message), None)
    if found is None and message.rpartition("\n\n")[2].strip().lower() in ("skip-checks: true", "skip-checks:true"):
        found = "skip-checks: true"
    return f"the commit message contains {found}" if found else ""
