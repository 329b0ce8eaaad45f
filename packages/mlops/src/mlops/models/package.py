"""The digest of a model package: one sha256 over the names and contents of all its files.

Endpoints compute the same (model_package.digest); a test compares the two.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from mlops.core.errors import JobFailed

DIGEST_PREFIX: Final = "sha256:"
SCHEMA_FILE: Final = "schema.json"
MODEL_FILE: Final = "model.onnx"
EVALUATION_FILE: Final = "evaluation.json"
GOLDEN_FILE: Final = "golden.json"
REPORT_FILE: Final = "report.html"


def file_sha256(file: Path) -> str:
    """The hex sha256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_digests(package: Path) -> list[tuple[str, str]]:
    """Path and hex sha256 of every file, sorted by the bytes of the path."""
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*") if path.is_file()}
    return [(name, file_sha256(files[name])) for name in sorted(files, key=str.encode)]


def checksums(package: Path) -> bytes:
    """A line "<sha256>  <path>" for each file, as `sha256sum --check` reads them; their sha256 is the digest."""
    return b"".join(b"%s  %s\n" % (digest.encode(), name.encode()) for name, digest in file_digests(package))


def package_digest(package: Path) -> str:
    """Return "sha256:<hex>" over the checksums of all files."""
    return DIGEST_PREFIX + hashlib.sha256(checksums(package)).hexdigest()


def find_package(folder: Path) -> Path:
    """The one folder at or below `folder` that is a model package. Raises JobFailed when there is none."""
    found = sorted(path.parent for path in folder.rglob(SCHEMA_FILE) if (path.parent / MODEL_FILE).is_file())
    if len(found) != 1:
        raise JobFailed(
            f"expected one model package below {folder}, found {len(found)}",
            f"The step that packages the model must write {MODEL_FILE} and {SCHEMA_FILE} into its output.",
        )
    return found[0]


def read_document(package: Path, name: str) -> dict[str, Any]:
    """One of the package's JSON files. Raises JobFailed when it is not there or no JSON object."""
    file = package / name
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobFailed(f"the model package has no readable {name}: {error}") from error
    if not isinstance(document, dict):
        raise JobFailed(f"{name} of the model package holds no JSON object")
    return document
