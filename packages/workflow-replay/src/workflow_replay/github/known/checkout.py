"""actions/checkout: the repository's files in the workspace, as deep, and with the credentials, that were asked for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workflow_replay.checkout import check_out
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.errors import RepositoryError
from workflow_replay.git import Repository
from workflow_replay.github.known.inputs import flag, text

_BRANCH: Final = "refs/heads/"
# Git asks this before a push, and it answers as the service would.
_PUSH: Final = """#!/bin/sh
exec >&2
may_write={may_write} persisted={persisted} token={token}
given=${{GH_TOKEN:-$GITHUB_TOKEN}}
if [ $persisted = no ]; then
  if [ -z "$(git config --get-urlmatch credential.helper "$GITHUB_SERVER_URL")" ] || [ -z "$given" ]; then
    echo "fatal: could not read Username for '$GITHUB_SERVER_URL': terminal prompts disabled"
    echo "No credentials are kept (persist-credentials: false): git needs a credential helper, and that one GH_TOKEN."
    exit 1
  fi
  # Somebody else's token may do what it may do.
  [ "$given" = "$token" ] || exit 0
fi
if [ $may_write = no ]; then
  echo "remote: Permission denied to github-actions[bot]: the job's token lacks contents: write"
  exit 1
fi
"""


def checkout(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Put the repository's files into the workspace. Other repositories are refused."""
    context.require("contents", "read")
    if text(inputs, "repository"):
        raise EffectFailed("only the repository itself is checked out here; declare an effect for others")
    source = Repository(context.repository)
    wanted = text(inputs, "ref")
    commit, branch = _wanted(source, wanted, context)
    target = _target(context.workspace, text(inputs, "path"))
    try:
        depth = _depth(text(inputs, "fetch-depth", "1"))
        check_out(context.repository, commit, target, branch, depth, context.origin)
    except RepositoryError as error:
        raise EffectFailed(error.message) from error
    _guard(target, context, persisted=flag(inputs, "persist-credentials", default=True))
    context.say(f"checked out {commit[:12]} ({wanted or context.ref}) into {target}")
    return EffectResult(outputs={"commit": commit, "ref": wanted or context.ref})


def _wanted(source: Repository, wanted: str, context: EffectContext) -> tuple[str, str | None]:
    """The commit, and the branch to be on."""
    if not wanted:
        branch = context.ref.removeprefix(_BRANCH) if context.ref.startswith(_BRANCH) else None
        return context.commit, branch
    name = wanted.removeprefix(_BRANCH)
    tip = source.resolve(f"{_BRANCH}{name}")
    if tip is not None:
        return tip, name
    commit = source.resolve(wanted)
    if commit is None:
        raise EffectFailed(f"A branch or tag with the name '{wanted}' could not be found")
    return commit, None


def _target(workspace: Path, path: str) -> Path:
    target = (workspace / path).resolve()
    if not target.is_relative_to(workspace.resolve()):
        raise EffectFailed(f"Repository path '{target}' is not under '{workspace}'")
    if target.is_dir():
        for entry in target.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    return target


def _depth(value: str) -> int | None:
    if not value.isdecimal():
        raise EffectFailed(f"fetch-depth is a number, not {value!r}")
    return int(value) or None


def _guard(target: Path, context: EffectContext, *, persisted: bool) -> None:
    hook = target / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    may_write = context.scopes.get("contents") == "write"
    words = {True: "yes", False: "no"}
    hook.write_text(_PUSH.format(may_write=words[may_write], persisted=words[persisted], token=context.token))
    hook.chmod(0o700)
