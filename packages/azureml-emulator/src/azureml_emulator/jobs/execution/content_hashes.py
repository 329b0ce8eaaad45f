"""What is in a file or folder, as one hash; remembered for as long as sizes and change times stay the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


class ContentHashes:
    """Hashes of files and folders. Blocking: call it in a thread."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, str]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 over the names and bytes of all files, or of the one file. Raises FileNotFoundError."""
        whole = hashlib.sha256()
        files = sorted(_files(path)) if path.is_dir() else [path]
        for file in files:
            name = file.name if file == path else file.relative_to(path).as_posix()
            whole.update(f"{self._file(file)}  {name}\n".encode())
        return whole.hexdigest()

    def _file(self, file: Path) -> str:
        status = file.stat()
        known = self._known.get(str(file))
        if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
            return known[2]
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._known[str(file)] = (status.st_size, status.st_mtime_ns, digest)
        return digest


def _files(folder: Path) -> list[Path]:
    return [Path(current, name) for current, _, names in os.walk(folder) for name in names]
