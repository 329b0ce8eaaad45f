"""sha256 of files and folders, in the form that `sha256sum --check` reads. The only hashing of files in the project."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

DIGEST_PREFIX = "sha256:"


def file_sha256(file: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_sha256(file: Path) -> str:
    """Return the hex sha256 of a file as git stores it: line endings of a text do not count."""
    return content_sha256(file.read_bytes())


def content_sha256(content: bytes) -> str:
    """Return the hex sha256 of a file's content as git stores it."""
    if b"\0" not in content:
        content = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """Return the hex sha256 of every file at or below a folder, by its path within the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def checksums(digests: Mapping[str, str]) -> bytes:
    """Return one line `<sha256>  <path>` per file, sorted by the bytes of the path."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests, key=str.encode)).encode()


def listing_digest(digests: Mapping[str, str], notes: Iterable[str] = ()) -> str:
    """Return "sha256:<hex>" over the checksums of some files, and over one line per note."""
    lines = checksums(digests) + "".join(f"{note}\n" for note in notes).encode()
    return DIGEST_PREFIX + hashlib.sha256(lines).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return "sha256:<hex>" over the names and contents of all files at or below a folder."""
    return listing_digest(file_digests(folder))
