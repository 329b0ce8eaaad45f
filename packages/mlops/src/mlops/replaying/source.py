"""What a replay runs on: a scratch copy of the user's repository to which the working files were pushed, and the event.

The user's repository is never written to: new objects go to the copy.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlops.core.errors import InputError
from mlops.core.git import REMOTE, Repository
from mlops.githost.hosts import remote_of
from mlops.githost.interface import RemoteAddress, Replay
from workflow_replay.events import Completed, Dispatch, Event, Manual, MergeGroup, PullRequest, Push, Schedule

_NEW: Final = "0" * 40
_DEFAULT_BRANCH: Final = "main"
_MESSAGE: Final = "Working files"
_AUTHOR: Final = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "mlops replay"), ("EMAIL", "replay@users.noreply.invalid"))
}


@dataclass(frozen=True)
class Remote:
    """The remote of clones of the copy: a URL of the git host that is redirected to the copy's folder."""

    ssh_url: str
    address: RemoteAddress
    folder: Path


@dataclass(frozen=True)
class Source:
    """The copy (bare), the branch with the files to replay, and the previous commit of that branch."""

    repository: Path
    branch: str
    default_branch: str
    before: str
    has_changes: bool
    remote: Remote


class Checkout(Repository):
    """The user's working tree."""

    def copy(self, target: Path, ci: Replay, branch: str | None, since: str | None, *, committed_only: bool) -> Source:
        """Create the copy; its clones have the URL of this repository on the git host of that CI.

        In the copy `branch` (None: the current one) has the working files. `since` is its previous revision; without
        one, it is the remote's branch, or else the parent commit. Raises InputError for an unknown revision.
        """
        head = self.head()
        default = self._default_branch()
        name = branch or self._run("branch", "--show-current") or default
        if not self.is_branch_name(name):
            raise InputError(f"{name!r} is not a valid branch name", "Name a branch with --ref, such as main.")
        self._run("clone", "--quiet", "--bare", "--shared", str(self.top()), str(target))
        copy = ScratchOrigin(target)
        commit = head if committed_only else self._commit_working_files(target, head)
        for known, tip in self._remote_branches().items():
            copy.set_branch(known, tip)
        copy.set_branch(name, commit)
        copy.choose_default(default)
        before = self._before(name, head, commit, since)
        address = self._address(ci)
        remote = Remote(ci.ssh_url(address), address, target)
        return Source(target, name, default, before, commit != head, remote)

    def path_from_root(self, file: Path) -> str:
        """The path of a file relative to the root. Raises InputError for a file outside of the repository."""
        top = self.top().resolve()
        if not file.resolve().is_relative_to(top):
            raise InputError(f"{file} is not in this repository", f"Name a file in {top}.")
        return file.resolve().relative_to(top).as_posix()

    def _address(self, ci: Replay) -> RemoteAddress:
        """The address of the remote; a placeholder if it is not on the git host of that CI."""
        own = remote_of(self.folder)
        return own if own is not None and own.host is ci.placeholder.host else ci.placeholder

    def _default_branch(self) -> str:
        named = self._output("symbolic-ref", "--short", f"refs/remotes/{REMOTE}/HEAD")
        return named.removeprefix(f"{REMOTE}/") if named else _DEFAULT_BRANCH

    def _remote_branches(self) -> dict[str, str]:
        """The branches of the remote as of the last fetch."""
        prefix = f"refs/remotes/{REMOTE}/"
        listing = self._run("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {ref.removeprefix(prefix): commit for commit, ref in pairs if ref != f"{prefix}HEAD"}

    def _commit_working_files(self, target: Path, head: str) -> str:
        """A commit of the working files, in the copy only; HEAD if nothing has changed."""
        index = target / "replay-index"
        own = Path(self._run("rev-parse", "--path-format=absolute", "--git-path", "index"))
        if own.is_file():
            # With the index, git need not read files that have not changed.
            shutil.copyfile(own, index)
        objects = self._run("rev-parse", "--path-format=absolute", "--git-path", "objects")
        variables = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(target / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }
        self._run("-C", str(self.top()), "add", "--all", variables=variables)
        tree = self._run("write-tree", variables=variables)
        if tree == self._run("rev-parse", f"{head}^{{tree}}"):
            return head
        return self._run("commit-tree", tree, "-p", head, "-m", _MESSAGE, variables=variables | _AUTHOR)

    def _before(self, branch: str, head: str, commit: str, since: str | None) -> str:
        if since is not None:
            found = self.resolve(since)
            if found is None:
                raise InputError(f"unknown revision {since}", "Name a commit, branch or tag.")
            return found
        remote = self.resolve(f"refs/remotes/{REMOTE}/{branch}")
        if remote is not None and remote != commit:
            return remote
        return head if commit != head else self.resolve(f"{head}^") or _NEW


class ScratchOrigin(Repository):
    """The copy, which acts as the remote."""

    def set_branch(self, name: str, commit: str) -> None:
        """Set a branch to a commit."""
        self._run("update-ref", f"refs/heads/{name}", commit)

    def choose_default(self, branch: str) -> None:
        """Make a branch the default one, if it exists."""
        if self.resolve(f"refs/heads/{branch}") is not None:
            self._run("symbolic-ref", "HEAD", f"refs/heads/{branch}")


_BRANCH: Final = "refs/heads/"


@dataclass(frozen=True)
class EventOptions:
    """Options of the event; `type` is that of a repository_dispatch, or the workflow of a workflow_run."""

    name: str
    base: str | None = None
    action: str = "opened"
    type: str | None = None
    cron: str | None = None
    payload: str | None = None
    title: str = "A change"
    inputs: Mapping[str, str] = field(default_factory=dict)


def event(options: EventOptions, source: Source) -> Event:
    """The event in the scratch copy. Raises InputError for invalid options."""
    ref = f"{_BRANCH}{source.branch}"
    match options.name:
        case "push":
            return Push(ref, source.before)
        case "pull_request":
            return _pull_request(options, source)
        case "workflow_dispatch":
            return Manual(ref, options.inputs)
        case "schedule":
            return Schedule(options.cron)
        case "repository_dispatch":
            return Dispatch(_required(options.type, "--type"), _payload(options.payload))
        case "workflow_run":
            return Completed(_required(options.type, "--type"), source.branch)
        case _:
            return MergeGroup(ref, options.base or source.default_branch)


def pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """Parse NAME=VALUE. Raises InputError for anything else."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {word!r} is not of the form NAME=VALUE", f"Use {option} NAME=VALUE.")
        found[name] = value
    return found


def by_group(words: Sequence[str], option: str) -> dict[str, dict[str, str]]:
    """Parse GROUP:NAME=VALUE; `GROUP:` alone is a group without variables. Raises InputError for anything else."""
    found: dict[str, dict[str, str]] = {}
    for word in words:
        group, colon, pair = word.rpartition(":") if word.endswith(":") else word.partition(":")
        if not colon or not group:
            raise InputError(
                f"{option} {word!r} is not of the form GROUP:NAME=VALUE", f"Use {option} GROUP:NAME=VALUE."
            )
        found.setdefault(group, {}).update(pairs([pair], option) if pair else {})
    return found


def secrets_by_group(words: Sequence[str], option: str) -> dict[str, dict[str, str]]:
    """Parse GROUP:NAME, with the value of the environment variable NAME. Raises InputError for anything else."""
    found: dict[str, dict[str, str]] = {}
    for word in words:
        group, colon, name = word.rpartition(":")
        if not colon or not group or not name:
            raise InputError(f"{option} {word!r} is not of the form GROUP:NAME", f"Use {option} GROUP:NAME.")
        found.setdefault(group, {}).update(from_shell([name]))
    return found


def from_shell(names: Sequence[str]) -> dict[str, str]:
    """Environment variables by name. Raises InputError if one is not set."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(f"the variable {missing[0]} is not set", f"Set it first: export {missing[0]}=…")
    return {name: os.environ[name] for name in names}


def _pull_request(options: EventOptions, source: Source) -> PullRequest:
    base = options.base or source.default_branch
    if base == source.branch:
        raise InputError(f"a pull request needs a branch other than {base}", "Name its head branch: --ref my-change")
    return PullRequest(
        head=source.branch,
        base=base,
        action=options.action,  # ty: ignore[invalid-argument-type] - validated against the workflow's triggers
        title=options.title,
        merged=options.action == "closed",
    )


def _payload(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    advice = """Pass an object, such as '{"data": "v2"}'"""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"--payload is not valid JSON: {error}", advice) from error
    if not isinstance(found, dict):
        raise InputError("--payload is not a JSON object", advice)
    return found


def _required(value: str | None, option: str) -> str:
    if value is None:
        raise InputError(f"this event requires {option}", f"Add {option} NAME.")
    return value
