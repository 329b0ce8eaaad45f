"""An event in a repository as GitHub hands it to workflows: name, ref, commit, payload and which files it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
from workflow_replay.git import NO_COMMIT, Repository

_BRANCH: Final = "refs/heads/"
_TAG: Final = "refs/tags/"
_MERGE_MESSAGE: Final = "Merge {head} into {base}"


@dataclass(frozen=True)
class Situation:
    """What happened, where. `before` and `after` are compared for filters of paths; without a `before` they count not.

    `action` is the type of the event ("opened"), `target` the branch that branch filters look at, `head_ref` and
    `base_ref` the branches of a pull request. `obstacle` says why GitHub would start nothing at all.
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
    obstacle: str = ""

    @property
    def ref_name(self) -> str:
        """The ref without what kind it is of."""
        for prefix in (_BRANCH, _TAG, "refs/pull/"):
            if self.ref.startswith(prefix):
                return self.ref.removeprefix(prefix)
        return self.ref

    @property
    def is_tag(self) -> bool:
        """Whether the ref is a tag."""
        return self.ref.startswith(_TAG)


def situate(folder: Path, event: Event, owner: str, name: str) -> Situation:
    """What an event is in this repository. Raises EventError for refs that it does not have.

    A pull request gets the commit that merges it, as refs/pull/N/merge, in the repository, as on GitHub.
    """
    repository = Repository(folder)
    base = {"repository": _repository(repository, owner, name), "sender": {"login": event.actor, "type": "User"}}
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


def _push(repository: Repository, event: Push, base: Mapping[str, Any]) -> Situation:
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
    return Situation(
        "push", event.ref, commit, event.actor, payload, target, before, commit, obstacle=_skip(repository, commit)
    )


def _compared(repository: Repository, event: Push, commit: str) -> str:
    if event.before != NO_COMMIT:
        return _commit(repository, event.before)
    # A new branch is compared with where it left the default branch.
    default = repository.resolve(f"{_BRANCH}{repository.default_branch()}")
    shared = repository.merge_base(default, commit) if default and default != commit else None
    return shared or NO_COMMIT


def _pull_request(repository: Repository, event: PullRequest, base: Mapping[str, Any]) -> Situation:
    head = _commit(repository, f"{_BRANCH}{event.head}")
    target = _commit(repository, f"{_BRANCH}{event.base}")
    merged = event.action == "closed" and event.merged
    merge = target if merged else repository.merge(target, head, _MERGE_MESSAGE.format(head=head, base=target))
    ref = f"{_BRANCH}{event.base}" if merged else f"refs/pull/{event.number}/merge"
    if merge is not None and not merged:
        repository.point(f"refs/pull/{event.number}/head", head)
        repository.point(ref, merge)
    full_name = base["repository"]["full_name"]
    head_owner = "somebody" if event.from_fork else base["repository"]["owner"]["login"]
    head_name = f"{head_owner}/{base['repository']['name']}" if event.from_fork else full_name
    request = {
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
        "html_url": f"https://github.com/{full_name}/pull/{event.number}",
        "head": {
            "ref": event.head,
            "sha": head,
            "label": f"{head_owner}:{event.head}",
            "repo": {"full_name": head_name, "fork": event.from_fork, "owner": {"login": head_owner}},
        },
        "base": {
            "ref": event.base,
            "sha": target,
            "repo": {"full_name": full_name, "default_branch": base["repository"]["default_branch"]},
        },
    }
    payload = {"action": event.action, "number": event.number, "pull_request": request, **base}
    conflict = "" if merge else f"{event.head} cannot be merged into {event.base}: GitHub runs nothing until it can"
    return Situation(
        name="pull_request",
        ref=ref,
        commit=merge or head,
        actor=event.actor,
        payload=payload,
        target=event.base,
        # Three dots: what the branch changed since it left the base.
        before=repository.merge_base(target, head) or NO_COMMIT,
        after=head,
        action=event.action,
        head_ref=event.head,
        base_ref=event.base,
        from_fork=event.from_fork,
        obstacle=conflict or _skip(repository, head),
    )


def _manual(repository: Repository, event: Manual, base: Mapping[str, Any]) -> Situation:
    commit = _commit(repository, event.ref)
    payload = {"ref": event.ref, "inputs": dict(event.inputs), "workflow": "", **base}
    target = event.ref.removeprefix(_TAG).removeprefix(_BRANCH)
    return Situation("workflow_dispatch", event.ref, commit, event.actor, payload, target, inputs=dict(event.inputs))


def _merge_group(repository: Repository, event: MergeGroup, base: Mapping[str, Any]) -> Situation:
    commit = _commit(repository, event.head)
    target = _commit(repository, f"{_BRANCH}{event.base}")
    group = {
        "head_ref": event.head,
        "head_sha": commit,
        "base_ref": f"{_BRANCH}{event.base}",
        "base_sha": target,
    }
    payload = {"action": "checks_requested", "merge_group": group, **base}
    return Situation("merge_group", event.head, commit, event.actor, payload, event.base, action="checks_requested")


def _on_default_branch(
    repository: Repository, event: Schedule | Dispatch | Completed, base: Mapping[str, Any]
) -> Situation:
    branch = repository.default_branch()
    ref = f"{_BRANCH}{branch}"
    commit = _commit(repository, ref)
    match event:
        case Schedule(cron=cron):
            return Situation("schedule", ref, commit, event.actor, {"schedule": cron, **base}, branch, cron=cron)
        case Dispatch():
            payload = {"action": event.type, "client_payload": dict(event.payload), "branch": branch, **base}
            return Situation("repository_dispatch", ref, commit, event.actor, payload, branch, action=event.type)
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
            return Situation(
                name="workflow_run",
                ref=ref,
                commit=commit,
                actor=event.actor,
                payload=payload,
                target=event.branch,
                action=event.action,
                workflow=event.workflow,
            )


def _repository(repository: Repository, owner: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "full_name": f"{owner}/{name}",
        "owner": {"login": owner},
        "default_branch": repository.default_branch(),
        "private": True,
        "fork": False,
        "html_url": f"https://github.com/{owner}/{name}",
        "clone_url": f"https://github.com/{owner}/{name}.git",
    }


def _commit(repository: Repository, revision: str) -> str:
    commit = repository.resolve(revision)
    if commit is None:
        raise EventError(f"{repository.folder} has no {revision}", "Name a branch, tag or commit that is there.")
    return commit


_SKIPPING: Final = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")


def _skip(repository: Repository, commit: str) -> str:
    message = repository.message(commit)
    found = next((mark for mark in _SKIPPING if mark in message), None)
    if found is None and message.rpartition("\n\n")[2].strip().lower() in ("skip-checks: true", "skip-checks:true"):
        found = "skip-checks: true"
    return f"the commit message says {found}" if found else ""
