"""Finds the installed modules that code imports, by reading its Python files. Executes nothing of it."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

_MAX_FILES = 500
_MAX_FILE_BYTES = 1_000_000
# Of Spark steps, which are never forked: nothing is gained when they are imported before.
_OF_FRESH_PROCESSES = frozenset({"pyspark", "pysail"})


def third_party_imports(folders: Sequence[Path]) -> set[str]:
    """The installed modules ("mlflow", "sklearn.ensemble") that the Python files below these folders import.

    The folders belong together: what one imports from another is not installed.
    """
    files = [file for folder in folders for file in islice(sorted(folder.rglob("*.py")), _MAX_FILES)]
    own = (
        _OF_FRESH_PROCESSES
        | {file.stem for file in files}
        | {each.name for folder in folders for each in _packages(folder)}
    )
    found = {name for file in files if file.stat().st_size <= _MAX_FILE_BYTES for name in _imports(file)}
    return {name for name in found if name.partition(".")[0] not in own and _is_installed(name)}


def _packages(folder: Path) -> Iterator[Path]:
    """The folders that the code can import by name."""
    yield folder
    yield from (path for path in folder.iterdir() if path.is_dir())


def _imports(file: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            # `from mlflow import onnx` may name a submodule; whether it is one is checked later.
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")


def _is_installed(name: str) -> bool:
    """Whether a module is in site-packages, found without importing its parents."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return False
    location = _location(top)
    if location is None:
        return False
    parts = name.split(".")[1:]
    inside = location.joinpath(*parts) if parts else location
    return (
        inside.is_dir() or inside.with_suffix(".py").is_file() or bool(list(inside.parent.glob(f"{inside.name}.*.so")))
    )


@cache
def _location(top: str) -> Path | None:
    """The folder of an installed package, or the path of an installed module without its suffix; None for others."""
    try:
        specification = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if specification is None or specification.origin is None:
        return None
    origin = Path(specification.origin)
    packages = {Path(sysconfig.get_path(scheme)) for scheme in ("purelib", "platlib")}
    if not any(origin.is_relative_to(folder) for folder in packages):
        return None
    return origin.parent if specification.submodule_search_locations else origin.with_suffix("")
