"""Imports between the modules of endpoints/ go one way, those inside functions and for type checkers included."""

import ast
import graphlib
from pathlib import Path

import pytest

ENDPOINTS = Path(__file__).parents[2] / "endpoints"
ROOTS = (ENDPOINTS / "online", ENDPOINTS / "batch")


def module_files() -> dict[str, Path]:
    """Each module of the scoring code, by the name it is imported under."""
    return {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for root in ROOTS
        for file in root.rglob("*.py")
    }


def imports_of(code: str) -> set[str]:
    """The modules that the code imports anywhere, and for `from a import b` also `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str() as module):
                found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def import_graph(codes: dict[str, str]) -> dict[str, set[str]]:
    return {name: imports_of(code) & codes.keys() for name, code in codes.items()}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    codes = {name: file.read_text(encoding="utf-8") for name, file in module_files().items()}

    graph = import_graph(codes)

    assert graph["score_batch"] >= {"file_scoring"}
    if ROOTS[0].is_dir():
        assert graph["score"] >= {"scorer", "observability.telemetry", "observability.data_collection"}
    graphlib.TopologicalSorter(graph).prepare()


def test_a_circle_through_a_lazy_import_would_be_found() -> None:
    codes = {"a": "def f():\n    from b import g\n", "b": "import a\n"}

    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(import_graph(codes)).prepare()
