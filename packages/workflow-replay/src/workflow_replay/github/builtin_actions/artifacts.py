"""actions/upload-artifact and actions/download-artifact: real files, shared by the jobs of the run."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.github.builtin_actions.inputs import flag, lines, text

_DEFAULT_NAME: Final = "artifact"
_FORBIDDEN_IN_NAMES: Final = '":<>|*?\r\n\\/'
_WILDCARDS: Final = "*?["


def upload(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Store files under a name that is unique in the run."""
    name = text(inputs, "name", _DEFAULT_NAME)
    if any(character in name for character in _FORBIDDEN_IN_NAMES):
        raise EffectFailed(f"The artifact name is not valid: {name}")
    patterns = lines(inputs, "path")
    if not patterns:
        raise EffectFailed("Input required and not supplied: path")
    files = _files(context.workspace, patterns, hidden=flag(inputs, "include-hidden-files", default=False))
    if not files:
        return _no_files(text(inputs, "if-no-files-found", "warn"), patterns, context)
    target = context.artifacts / name
    if target.exists():
        if not flag(inputs, "overwrite", default=False):
            raise EffectFailed(f"an artifact with the name {name!r} already exists on the workflow run")
        shutil.rmtree(target)
    root = _root(context.workspace, patterns, files)
    for file in files:
        copy = target / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    context.log(f"uploaded {len(files)} files as {name}")
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return EffectResult(outputs={"artifact-id": str(int(digest[:8], 16)), "artifact-digest": digest})


def download(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Copy artifacts: one by name, those that match a pattern, or all."""
    target = context.workspace / text(inputs, "path")
    name = text(inputs, "name")
    stored = sorted(path.name for path in context.artifacts.iterdir()) if context.artifacts.is_dir() else []
    if name:
        if name not in stored:
            raise EffectFailed(f"Artifact not found for name: {name}; the artifacts are: {', '.join(stored) or 'none'}")
        shutil.copytree(context.artifacts / name, target, dirs_exist_ok=True)
    else:
        pattern = text(inputs, "pattern", "*")
        merged = flag(inputs, "merge-multiple", default=False)
        for one in fnmatch.filter(stored, pattern):
            shutil.copytree(context.artifacts / one, target if merged else target / one, dirs_exist_ok=True)
    return EffectResult(outputs={"download-path": str(target)})


def _no_files(policy: str, patterns: list[str], context: EffectContext) -> EffectResult:
    message = f"No files were found with the provided path: {', '.join(patterns)}. No artifacts will be uploaded."
    if policy == "error":
        raise EffectFailed(message)
    if policy == "warn":
        context.log(f"::warning::{message}")
    return EffectResult()


def _files(workspace: Path, patterns: list[str], *, hidden: bool) -> list[Path]:
    found: set[Path] = set()
    for pattern in patterns:
        if pattern.startswith("!"):
            found -= _below(workspace, pattern[1:])
        else:
            found |= _below(workspace, pattern)
    return sorted(file for file in found if hidden or not _is_hidden(file, workspace))


def _below(workspace: Path, pattern: str) -> set[Path]:
    base, relative = (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (workspace, pattern)
    found: set[Path] = set()
    for path in base.glob(os.path.normpath(relative)) if relative not in (".", "./") else [base]:
        found |= {path} if path.is_file() else {inner for inner in path.rglob("*") if inner.is_file()}
    return found


def _is_hidden(file: Path, workspace: Path) -> bool:
    parts = file.relative_to(workspace).parts if file.is_relative_to(workspace) else (file.name,)
    return any(part.startswith(".") for part in parts)


def _root(workspace: Path, patterns: list[str], files: list[Path]) -> Path:
    """The folder that file names are relative to: a single path itself, else the common parent of all files."""
    included = [pattern for pattern in patterns if not pattern.startswith("!")]
    if len(included) == 1:
        plain = workspace / _literal_prefix(included[0])
        return plain.parent if plain.is_file() else plain
    return Path(os.path.commonpath([str(file.parent) for file in files]))


def _literal_prefix(pattern: str) -> str:
    parts = Path(pattern).parts
    literal = list(itertools.takewhile(lambda part: not set(part) & set(_WILDCARDS), parts))
    return str(Path(*literal)) if literal else "."
