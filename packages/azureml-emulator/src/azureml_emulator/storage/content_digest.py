"""The digest of a file or folder: one sha256 over the paths and bytes of all files. Reads only."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest_of(content: Path) -> str:
    """ "sha256:" and the sha256 over lines `<sha256 of file>  <relative path>`, in the order of the paths."""
    files = sorted(path for path in content.rglob("*") if path.is_file()) if content.is_dir() else [content]
    lines = []
    for file in files:
        name = file.relative_to(content).as_posix() if file != content else file.name
        with file.open("rb") as stream:
            lines.append((name, f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {name}\n"))
    lines.sort(key=lambda line: line[0].encode())
    return f"sha256:{hashlib.sha256(''.join(text for _, text in lines).encode()).hexdigest()}"
