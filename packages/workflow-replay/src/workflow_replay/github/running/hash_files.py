"""`hashFiles`: one digest over all files of the workspace that match patterns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from workflow_replay.github.expressions.values import Value, to_text


def hash_files(workspace: Path, arguments: Sequence[Value]) -> str:
    """The sha256, in hex, over the sha256 of each matching file in the order of their paths; empty for none.

    A pattern that begins with `!` takes files out again. Folders of `.git` count as little as files outside.
    """
    found: set[Path] = set()
    for argument in arguments:
        for pattern in filter(None, (line.strip() for line in to_text(argument).splitlines())):
            if pattern.startswith("!"):
                found -= _matching(workspace, pattern[1:])
            else:
                found |= _matching(workspace, pattern)
    if not found:
        return ""
    total = hashlib.sha256()
    for file in sorted(found):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _matching(workspace: Path, pattern: str) -> set[Path]:
    relative = pattern.removeprefix(f"{workspace}/").lstrip("/").removeprefix("./")
    if not relative or ".." in relative.split("/"):
        return set()
    # Two stars at the end reach files for GitHub, but only folders for Python.
    reaching = f"{relative}/*" if relative.endswith("**") else relative
    return {path for path in workspace.glob(reaching) if path.is_file()}
