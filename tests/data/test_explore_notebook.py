"""The notebook for exploration runs from top to bottom on the project's own schema, and holds no outputs."""

import shutil
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs `uv sync --group notebook`")
nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "data" / "explore.ipynb"


def test_it_runs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "schema.yml", tmp_path)
    (tmp_path / "data").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path / "data")}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "rows from schema.yml" in "".join(output.get("text", "") for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2


def test_it_is_committed_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells

    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
