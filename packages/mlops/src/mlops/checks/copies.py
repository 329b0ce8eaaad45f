"""The committed copies of model_package that ship with steps and endpoints, compared with the installed package.

Azure ML runs steps and scoring scripts from the uploaded folder, so what they import must be in it. A copy is
written by `mlops check --fix` and never edited: its files are compared one by one with the installed package's.
The project's extensions/ travel inside it: all of them with steps, and with endpoints the tasks alone. The CI files
of a repository's further models are copies as well, of those of its first one.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import model_package
from mlops.checks.fingerprints import IGNORED_FOLDERS, IGNORED_SUFFIXES
from mlops.checks.yaml.document import Problem
from mlops.core.documents import read_text
from mlops.core.layout import EXTENSION_FOLDER, MODELS_FOLDER, PROJECT_FILE
from mlops.githost.hosts import model_workflows
from model_package.digest import source_sha256
from model_package.tasks.extensions import FOLDER, TASKS_FILE

NAME: Final = "model_package"
VERSION: Final = model_package.__version__
_ADVICE: Final = "run: mlops check --fix"
_IMPORT: Final = re.compile(rf"^\s*(?:from|import) {NAME}\b", re.MULTILINE)
# Used only by steps: not part of an endpoint's copy, nor of its revision.
_ONLY_STEPS: Final = ("collected", "isolated_extensions", "monitoring", "reports", "steps", "schema_file.py")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy's path below the project's root, the scripts that import it, and what it leaves out of the package."""

    folder: PurePosixPath
    scripts: str
    left_out: tuple[str, ...] = ()


COPIES: Final = (
    Copy(PurePosixPath("components", NAME), "components/*/*.py"),
    Copy(PurePosixPath("endpoints", "online", NAME), "endpoints/online/*.py", _ONLY_STEPS),
    Copy(PurePosixPath("endpoints", "batch", NAME), "endpoints/batch/*.py", _ONLY_STEPS),
)


def check_copies(root: Path) -> Iterator[Problem]:
    """Yield each file of a copy that is missing, unknown, or different from the installed package's."""
    for copy in _needed(root):
        expected, found = _sources(root, copy), _files(root / copy.folder)
        if not found:
            yield Problem(str(copy.folder), 1, f"there is no copy of {NAME} for the scripts that import it", _ADVICE)
            continue
        for name in sorted(expected.keys() | found.keys()):
            file = str(copy.folder / name)
            if name not in found:
                yield Problem(file, 1, f"the copy of {_source(name)} lacks this file", _ADVICE)
            elif name not in expected:
                yield Problem(file, 1, f"{_source(name)} has no such file", _ADVICE)
            elif source_sha256(found[name]) != source_sha256(expected[name]):
                yield Problem(file, 1, f"this file differs from {_source(name)}", _ADVICE)


def write_copies(root: Path) -> Iterator[str]:
    """Write the copies that are needed and differ; yield what was done."""
    for copy in _needed(root):
        target, expected = root / copy.folder, _sources(root, copy)
        found = _files(target)
        if found.keys() == expected.keys() and all(
            source_sha256(found[name]) == source_sha256(expected[name]) for name in found
        ):
            continue
        for name in found.keys() - expected.keys():
            found[name].unlink()
        for name, source in expected.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
        yield f"{copy.folder}: copied from the installed {NAME} {VERSION}"


def model_folders(root: Path) -> list[PurePosixPath]:
    """The folders of a repository's further models, relative to its top."""
    return [
        PurePosixPath(file.parent.relative_to(root).as_posix())
        for file in sorted((root / MODELS_FOLDER).glob(f"*/{PROJECT_FILE}"))
    ]


def check_workflows(root: Path) -> Iterator[Problem]:
    """Yield the CI files of further models that are missing, or not as those at the top say."""
    for path, text in _workflows(root).items():
        if not (root / path).is_file():
            yield Problem(str(path), 1, "is missing: a further model has CI files of its own", _ADVICE)
        elif read_text(root / path) != text:
            yield Problem(str(path), 1, "differs from what the file that its first line names says", _ADVICE)


def write_workflows(root: Path) -> Iterator[str]:
    """Write the CI files of further models that differ; yield what was done."""
    for path, text in _workflows(root).items():
        if not (root / path).is_file() or read_text(root / path) != text:
            (root / path).write_text(text, encoding="utf-8")
            yield f"{path}: made from the workflow of the first model"


def _workflows(root: Path) -> dict[PurePosixPath, str]:
    return {path: text for model in model_folders(root) for path, text in model_workflows(root, model).items()}


def _source(name: str) -> str:
    """What a file of a copy is compared with."""
    return f"{FOLDER}/" if name.startswith(f"{FOLDER}/") else f"the installed {NAME} {VERSION}"


def _needed(root: Path) -> list[Copy]:
    return [copy for copy in COPIES if (root / copy.folder).is_dir() or _is_imported(root, copy)]


def _is_imported(root: Path, copy: Copy) -> bool:
    return any(_IMPORT.search(read_text(script)) for script in root.glob(copy.scripts))


def _sources(root: Path, copy: Copy) -> dict[str, Path]:
    files = _files(Path(model_package.__file__).parent)
    sources = {name: path for name, path in files.items() if PurePosixPath(name).parts[0] not in copy.left_out}
    own = (root / EXTENSION_FOLDER).glob("*.py")
    return sources | {f"{FOLDER}/{path.name}": path for path in own if path.name == TASKS_FILE or not copy.left_out}


def _files(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path
        for name, path in files.items()
        if path.suffix not in IGNORED_SUFFIXES and not IGNORED_FOLDERS.intersection(name.parts)
    }
