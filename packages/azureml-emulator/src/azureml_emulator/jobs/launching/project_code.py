"""Finds the code of steps in a project: the folders that its YAML files of components and jobs name as `code`.

Reads files, executes nothing. Bounded, since the emulator may be started in a folder of any size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

_MAX_FOLDERS = 2_000
_MAX_DEPTH = 5
_MAX_FILE_BYTES = 200_000
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
_SUFFIXES = (".yml", ".yaml")
# The C parser is many times faster, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def project_root(folder: Path) -> Path | None:
    """The root of the git repository that a folder is in, else the folder; None for a home folder or `/`."""
    root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)
    return None if root in {Path.home(), Path(root.anchor)} else root


def step_code(project: Path) -> list[tuple[Path, ...]]:
    """The code of each step below a project: the folder of its code, and its additional includes."""
    found: dict[tuple[Path, ...], None] = {}
    for file in _yaml_files(project):
        try:
            document = yaml.load(file.read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader
        except (OSError, ValueError, yaml.YAMLError):
            continue
        for step in _steps(document):
            folders = _folders(step, file)
            if folders:
                found[folders] = None
    return list(found)


def _yaml_files(project: Path) -> Iterator[Path]:
    """The YAML files that may describe a command, in a bounded part of the folder tree."""
    for current, folders, files in islice(os.walk(project), _MAX_FOLDERS):
        folder = Path(current)
        is_deep = len(folder.relative_to(project).parts) >= _MAX_DEPTH
        folders[:] = [] if is_deep else [name for name in folders if _is_searched(folder / name)]
        for name in files:
            file = folder / name
            if name.endswith(_SUFFIXES) and file.stat().st_size <= _MAX_FILE_BYTES and b"command:" in file.read_bytes():
                yield file


def _is_searched(folder: Path) -> bool:
    is_skipped = folder.name.startswith(".") or folder.name in _SKIPPED
    return not is_skipped and not (folder / "pyvenv.cfg").exists()


def _steps(document: Any) -> Iterator[dict[str, Any]]:
    """The commands in a document: a component, a job, or the steps of a pipeline."""
    if isinstance(document, list):
        for each in document:
            yield from _steps(each)
    elif isinstance(document, dict):
        if isinstance(document.get("command"), str) and isinstance(document.get("code"), str):
            yield document
        for each in document.values():
            yield from _steps(each)


def _folders(step: dict[str, Any], file: Path) -> tuple[Path, ...]:
    includes = step.get("additional_includes")
    named = [step["code"], *(includes if isinstance(includes, list) else [])]
    folders = (file.parent / str(name) for name in named if "://" not in str(name))
    return tuple(folder.resolve() for folder in folders if folder.is_dir())
