"""Digests of files and folders, where files are read again only when their size or change time differs."""

from __future__ import annotations

from pathlib import Path

from azureml_emulator.storage.content_digest import content_digest, file_digest


class ContentHashes:
    """Caches the digests of files."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, str]] = {}

    def of(self, path: Path) -> str:
        """The digest of a file or folder. Raises FileNotFoundError. Blocking: call it in a thread."""
        return content_digest(path, self._file)

    def _file(self, file: Path) -> str:
        status = file.stat()
        known = self._known.get(file)
        if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
            return known[2]
        digest = file_digest(file)
        self._known[file] = (status.st_size, status.st_mtime_ns, digest)
        return digest
