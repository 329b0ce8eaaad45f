"""The limits that docs/architecture.md states: lengths of files, modules per folder, entries at the root."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[3]
LINES = 360
MODULES = 14
ROOT_ENTRIES = 22
# May only shrink: 200 is the aim.
COMMAND_FILES = 241


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
