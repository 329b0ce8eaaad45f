"""Changes of a project's files: shown as a diff, refused over uncommitted changes, written file by file in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path, PurePosixPath
from typing import Final

from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository

_NEW_FILE_MODE: Final = 0o644
# In the names of temporary files.
_RANDOM_CHARACTERS: Final = 8


@dataclass(frozen=True)
class Edit:
    """A file of the project, its text before (None: it is new) and after (None: it is deleted)."""

    path: PurePosixPath
    before: str | None
    after: str | None


def diff(edit: Edit) -> str:
    """The change as a unified diff."""
    before, after = ((text or "").splitlines(keepends=True) for text in (edit.before, edit.after))
    old = "/dev/null" if edit.before is None else f"a/{edit.path}"
    new = "/dev/null" if edit.after is None else f"b/{edit.path}"
    return "".join(unified_diff(before, after, old, new))


def require_committed(root: Path, edits: Sequence[Edit], advice: str = "or preview with --dry-run") -> None:
    """Raise InputError if a file to be changed has uncommitted changes."""
    existing = [edit.path for edit in edits if edit.before is not None]
    try:
        dirty = Repository(root).uncommitted(existing)
    except MachineError:
        # Not a repository: there is nothing to return to either way.
        return
    if dirty:
        raise InputError(
            "these files have uncommitted changes, which would be mixed with the new ones: "
            + ", ".join(map(str, dirty)),
            f"Nothing was changed. Commit or stash them, {advice}.",
        )


def write(root: Path, edit: Edit) -> None:
    """Write, replace or delete one file in one step."""
    file = root / edit.path
    if edit.after is None:
        file.unlink(missing_ok=True)
        return
    with replacing(file, edit.after):
        pass


def remove_drafts(root: Path, paths: Iterable[PurePosixPath]) -> None:
    """Delete what a killed process has left beside the files that are to be written."""
    for file in (root / path for path in paths):
        for draft in file.parent.glob(f".{file.name}.*"):
            if len(draft.name) == len(f".{file.name}.") + _RANDOM_CHARACTERS:
                draft.unlink(missing_ok=True)


@contextmanager
def replacing(file: Path, text: str) -> Generator[Path]:
    """Yield a draft with the text beside a file, which it replaces in one step if the block ends without an error."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        yield draft
        draft.chmod(file.stat().st_mode if file.exists() else _NEW_FILE_MODE)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
