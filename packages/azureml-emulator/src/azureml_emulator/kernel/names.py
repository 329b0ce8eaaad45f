"""Names of files from outside, in the one form in which they are used and compared. Pure: no I/O.

Every name of a blob, of an artifact and of a path in a reference goes through `relative_path` before anything else
looks at it, and what must not be written is found with `collating_form`.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote

from azureml_emulator.kernel.errors import BadRequest

# Azure's limit for the name of a blob.
_MAX_NAME = 1024
# What file systems allow for one part of a path. Azure allows less for a container and more for a blob.
_MAX_PART_BYTES = 255
# A name that is still encoded after this many decodings is compared as it is.
_DECODINGS = 4


def relative_path(name: str, *, what: str = "blob name", code: str = "InvalidResourceName") -> PurePosixPath:
    """The path below a folder that a name denotes, without empty parts and dots.

    Raises BadRequest for a name that leaves the folder, cannot be printed, or is too long.
    """
    path = PurePosixPath(name.strip("/"))
    if ".." in path.parts or len(name) > _MAX_NAME or not all(map(is_part, path.parts)):
        raise BadRequest(f"{name!r} is not a valid {what}.", code=code)
    return path


def is_part(part: str) -> bool:
    """Whether a file can have this name: one part of a path, printable and not too long."""
    return bool(part) and part.isprintable() and "/" not in part and len(part.encode()) <= _MAX_PART_BYTES


def is_normal(name: str) -> bool:
    """Whether a name is that of one file only: no empty part and no dots, as in `x.csv/`, `a//b` and `./a`."""
    return not {"", ".", ".."} & set(name.split("/"))


def collating_form(name: str) -> tuple[str, ...]:
    """The parts of a name as the least exact of all readers may see them: two names that differ here are two files.

    Percent-encoding, backslashes, case, Unicode forms, empty parts, and dots and spaces at the end of a part are those
    that some client, proxy or file system removes.
    """
    for _ in range(_DECODINGS):
        name = unquote(name)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    parts = (part.strip().rstrip(". ") for part in folded.replace("\\", "/").split("/"))
    return tuple(part for part in parts if part)
