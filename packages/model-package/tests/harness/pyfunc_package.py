"""Tiny packages whose model is an MLflow pyfunc: from code, so that writing one takes no time."""

import platform
from dataclasses import replace
from pathlib import Path

from tiny_package import documents

from model_package.digest import folder_digest
from model_package.package import MLFLOW_FILE, PYFUNC_FOLDER

DESCRIPTION = """\
flavors:
  python_function:
    loader_module: {module}
    code: code
    data: data
    python_version: {python}
"""
# Answers as the tiny graph does.
LOGISTIC = """
import numpy as np

class Model:
    def predict(self, table):
        score = 0.02 * table["age"] - 0.0001 * table["income"] + 0.3 * table["kind"] - 1
        return 1 / (1 + np.exp(-score.to_numpy()))
"""
LOAD = """
def _load_pyfunc(path):
    return Model()
"""


def write_model(folder: Path, source: str = LOGISTIC + LOAD, module: str = "tiny_pyfunc") -> Path:
    """Write an MLflow model whose code is `source`."""
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "keep").write_text("")
    (folder / "code" / f"{module}.py").write_text(source)
    (folder / MLFLOW_FILE).write_text(DESCRIPTION.format(module=module, python=platform.python_version()))
    return folder


def write_pyfunc_package(folder: Path, source: str = LOGISTIC + LOAD) -> Path:
    """Write the whole package into a new folder, with the model's digest in its provenance."""
    write_model(folder / PYFUNC_FOLDER, source)
    made = documents()
    digest = folder_digest(folder / PYFUNC_FOLDER)
    replace(made, provenance=replace(made.provenance, model_digest=digest)).write(folder)
    return folder
