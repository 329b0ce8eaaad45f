"""The files of an image: copied from the build context into a folder of the deployment that stands for `/`.

A process of this machine sees that folder under another path than a container would: `Places` says which, and changes
the words of commands and variables that name a path of the image.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.containers.dockerfile import ROOT, CopiedFiles, Image, note

_FOLDER_MODE = 0o700
_WILD = re.compile(r"[*?\[]")


class Places:
    """Paths of the container, and the paths on this machine that they stand for."""

    def __init__(self, places: Mapping[PurePosixPath, Path]) -> None:
        self._places = {str(path): str(real) for path, real in places.items() if path != ROOT}
        names = sorted(self._places, key=len, reverse=True)
        # A path ends where its last name does: /app is in "/app/x" and in "A=/app:/bin", not in "/apple" or "/x/app".
        self._pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, names))})(?![\w.-])") if names else None

    def on_this_machine(self, text: str) -> str:
        """A word of a command, or the value of a variable, with the paths of this machine."""
        return self._pattern.sub(lambda found: self._places[found[1]], text) if self._pattern else text


@dataclass(frozen=True)
class Copied:
    """The paths of the container that exist only because of COPY and ADD, and what they did not do, for the log."""

    places: dict[PurePosixPath, Path]
    not_done: tuple[str, ...]


def copy_files(image: Image, context: Path, root: Path) -> Copied:
    """Do what COPY and ADD ask for. Raises BadRequest.

    Nothing outside the build context is read and nothing outside `root` is written, whatever a link says.
    """
    root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    places: dict[PurePosixPath, Path] = {}
    not_done: list[str] = []
    for copy in image.copies:
        with _origin(copy, context, root) as origin:
            for source in [None] if copy.text is not None else _sources(copy, origin, not_done):
                for target in _copy_one(copy, source, root):
                    places[target] = root.joinpath(*target.parts[1:])
    working = root.joinpath(*image.folder.parts[1:])
    working.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if image.folder != ROOT:
        places[image.folder] = working
    return Copied(places, tuple(not_done))


@contextmanager
def _origin(copy: CopiedFiles, context: Path, root: Path) -> Generator[Path]:
    """The folder that a COPY takes files from: the build context, or the files of another stage."""
    if copy.stage is None:
        yield context
        return
    with TemporaryDirectory(prefix="stage-", dir=root.parent) as folder:
        copy_files(copy.stage, context, Path(folder))
        yield Path(folder)


def _sources(copy: CopiedFiles, origin: Path, not_done: list[str]) -> list[Path]:
    found = []
    base = origin.resolve()
    for source in copy.sources:
        pattern = str(PurePosixPath(source.lstrip("/"))) if source.strip("/.") else "."
        matches = sorted(origin.glob(pattern)) if _WILD.search(pattern) else [origin / pattern]
        within = [path for path in matches if path.exists() and path.resolve().is_relative_to(base)]
        if not within and copy.stage is None:
            raise BadRequest(
                f"Line {copy.line} of the Dockerfile copies '{source}', which is not in the build context.",
                target="build",
            )
        if not within:
            not_done.append(note(copy.line, copy.shown, f"{source} is not copied; a RUN or the image has it"))
        found += within
    return found


def _copy_one(copy: CopiedFiles, source: Path | None, root: Path) -> list[PurePosixPath]:
    """Copy a file, the content of a folder, or a here-document. Returns the paths in the container."""
    target = copy.target
    if source is not None and source.is_dir():
        real = root.joinpath(*target.parts[1:])
        shutil.copytree(source, real, dirs_exist_ok=True, symlinks=True)
        return [target] if target != ROOT else [ROOT / path.name for path in source.iterdir()]
    if copy.into_folder or root.joinpath(*target.parts[1:]).is_dir():
        target /= source.name if source is not None else copy.sources[0]
    real = root.joinpath(*target.parts[1:])
    real.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if source is None:
        real.write_text(copy.text or "", encoding="utf-8")
    else:
        shutil.copy(source, real)
    return [target]
