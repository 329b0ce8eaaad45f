"""The digest of a file or folder: one SHA-256 over the paths and bytes of all files. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path


def file_digest(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_digest(content: Path, digest_of: Callable[[Path], str] = file_digest) -> str:
    """ "sha256:" and the SHA-256 over lines `<SHA-256 of file>  <relative path>`, ordered by path.

    Raises FileNotFoundError. Blocking: call it in a thread.
    """
    if not content.is_dir():
        names = {content.name: content}
    else:
        names = {file.relative_to(content).as_posix(): file for file in content.rglob("*") if file.is_file()}
    lines = [f"{digest_of(names[name])}  {name}\n" for name in sorted(names, key=str.encode)]
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
