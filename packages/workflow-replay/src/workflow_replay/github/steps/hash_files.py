"""The function `hashFiles`: one digest of all matching files in the workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from workflow_replay.github.expressions.values import Value, to_text


def hash_files(workspace: Path, arguments: Sequence[Value]) -> str:
    """The SHA-256, in hex, of the SHA-256 of each matching file in the order of their paths; empty for none.

    A pattern with a leading `!` excludes files. Files outside of the workspace never match.
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
    # A trailing `**` matches files on GitHub, but only folders in Python.
    pattern_here = f"{relative}/*" if relative.endswith("**") else relative
    return {path for path in workspace.glob(pattern_here) if path.is_file()}
