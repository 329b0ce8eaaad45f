"""The limits that docs/architecture.md states: lengths of files, modules per folder, entries at the root."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[3]
LINES = 360
MODULES = 14
ROOT_ENTRIES = 22
ENTRY_POINTS = ("__init__.py", "__main__.py")
# Modules whose names are put together when they are loaded, and a program that is copied as a file.
LOADED_BY_NAME = ("mlops.commands.", "azureml_emulator.serving.servers.", "mlops.replaying.fake_program")
# May only shrink: 200 is the aim.
COMMAND_FILES = 200


def tracked(pattern: str = ".") -> list[PurePosixPath]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", pattern]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [PurePosixPath(name) for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_no_python_file_is_longer_than_the_limit() -> None:
    files = tracked("*.py")
    lengths = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files}

    assert len(files) > 500
    assert {str(file): length for file, length in lengths.items() if length > LINES} == {}


def test_no_folder_has_more_modules_than_the_limit() -> None:
    modules = Counter(file.parent for file in tracked("*.py") if "tests" not in file.parts)

    assert {str(folder): count for folder, count in modules.items() if count > MODULES} == {}


def test_the_root_has_few_entries() -> None:
    entries = {file.parts[0] for file in tracked() if not file.parts[0].startswith(".")}

    assert len(entries) <= ROOT_ENTRIES, sorted(entries)


def test_the_command_has_few_files() -> None:
    assert len(tracked("packages/mlops/src/*.py")) <= COMMAND_FILES


def test_every_module_is_imported_or_is_an_entry_point() -> None:
    """A module that a merge leaves behind is typed, formatted and documented: no other check sees that it is dead."""
    modules = {module_name(file): file for file in tracked("packages/*/src/*.py") if file.name not in ENTRY_POINTS}
    mentioned = set[str]()
    for file in tracked("*.py"):
        mentioned |= mentions(file) - {module_name(file)}

    unused = {
        name: str(file)
        for name, file in modules.items()
        if name not in mentioned and not name.startswith(LOADED_BY_NAME)
    }

    assert len(modules) > 300
    assert unused == {}


def module_name(file: PurePosixPath) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[parts.index("src") + 1 :] if "src" in parts else parts)


def mentions(file: PurePosixPath) -> set[str]:
    """Dotted names that a file imports, or has as text: commands and fork servers import modules by name."""
    names = set[str]()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module), names=imported):
                names |= {module, *(f"{module}.{each.name}" for each in imported)}
            case ast.Import(names=imported):
                names |= {each.name for each in imported}
            case ast.Constant(value=str(text)):
                names.add(text)
            case _:
                pass
    return names
