"""actions/checkout: a clone in the workspace, at the requested depth and with or without credentials."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workflow_replay.common.checkout import check_out
from workflow_replay.common.git import Repository
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.errors import RepositoryError
from workflow_replay.github.builtin_actions.inputs import flag, text

_BRANCH: Final = "refs/heads/"
# A pre-push hook that accepts or rejects a push as the service would.
_PRE_PUSH: Final = """#!/bin/sh
exec >&2
may_write={may_write} persisted={persisted} token={token}
given=${{GH_TOKEN:-$GITHUB_TOKEN}}
if [ $persisted = no ]; then
  if [ -z "$(git config --get-urlmatch credential.helper "$GITHUB_SERVER_URL")" ] || [ -z "$given" ]; then
    echo "fatal: could not read Username for '$GITHUB_SERVER_URL': terminal prompts disabled"
    echo "No credentials are stored (persist-credentials: false): git needs a credential helper, which needs GH_TOKEN."
    exit 1
  fi
  # Another token has permissions of its own.
  [ "$given" = "$token" ] || exit 0
fi
if [ $may_write = no ]; then
  echo "remote: Permission denied to github-actions[bot]: the job's token lacks contents: write"
  exit 1
fi
"""


def checkout(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Clone the repository into the workspace. Other repositories are refused."""
    context.require("contents", "read")
    if text(inputs, "repository"):
        raise EffectFailed("only the replayed repository can be checked out; declare an effect for others")
    source = Repository(context.repository)
    ref = text(inputs, "ref")
    commit, branch = _resolve(source, ref, context)
    target = _target(context.workspace, text(inputs, "path"))
    try:
        depth = _depth(text(inputs, "fetch-depth", "1"))
        check_out(context.repository, commit, target, branch, depth, context.remote_url)
    except RepositoryError as error:
        raise EffectFailed(error.message) from error
    _install_hook(target, context, persisted=flag(inputs, "persist-credentials", default=True))
    context.log(f"checked out {commit[:12]} ({ref or context.ref}) into {target}")
    return EffectResult(outputs={"commit": commit, "ref": ref or context.ref})


def _resolve(source: Repository, ref: str, context: EffectContext) -> tuple[str, str | None]:
    """The commit and, unless detached, the branch."""
    if not ref:
        branch = context.ref.removeprefix(_BRANCH) if context.ref.startswith(_BRANCH) else None
        return context.commit, branch
    name = ref.removeprefix(_BRANCH)
    tip = source.resolve(f"{_BRANCH}{name}")
    if tip is not None:
        return tip, name
    commit = source.resolve(ref)
    if commit is None:
        raise EffectFailed(f"A branch or tag with the name '{ref}' could not be found")
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
        raise EffectFailed(f"fetch-depth must be a number, not {value!r}")
    return int(value) or None


def _install_hook(target: Path, context: EffectContext, *, persisted: bool) -> None:
    hook = target / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    may_write = context.scopes.get("contents") == "write"
    words = {True: "yes", False: "no"}
    hook.write_text(_PRE_PUSH.format(may_write=words[may_write], persisted=words[persisted], token=context.token))
    hook.chmod(0o700)
