"""What a train step wrote, opened for scoring: a scikit-learn model, an ONNX graph, or an MLflow pyfunc model."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.errors import ModelError
from model_package.package import MODEL_FILE as GRAPH_FILE
from model_package.package import PYFUNC_FOLDER
from model_package.rows.encoding import Tensors
from model_package.runtime import Scorer
from model_package.schema import Schema
from model_package.steps import sklearn_model
from model_package.steps.onnx_model import has_graph, load_graph
from model_package.steps.pyfunc_model import has_pyfunc, load_pyfunc


def load_model(folder: Path, schema: Schema) -> Any:
    """Read the model that the folder holds.

    Raises ModelError for several models, PackageError for one that does not fit the schema or cannot be loaded.
    """
    there = {
        sklearn_model.MODEL_FILE: (folder / sklearn_model.MODEL_FILE).exists(),
        GRAPH_FILE: has_graph(folder),
        f"{PYFUNC_FOLDER}/": has_pyfunc(folder),
    }
    found = [name for name, is_there in there.items() if is_there]
    if len(found) > 1:
        raise ModelError(f"the trained model holds both {' and '.join(found)}: let train_model write one of them")
    if there[GRAPH_FILE]:
        return load_graph(folder, schema)
    return load_pyfunc(folder, schema) if found == [f"{PYFUNC_FOLDER}/"] else sklearn_model.load_model(folder)


def answer(model: Any, rows: Tensors, schema: Schema) -> npt.NDArray[np.float64]:
    """Return the model's answer to rows as the schema's task has it: [rows], or [rows, classes]."""
    return model.score(rows) if isinstance(model, Scorer) else sklearn_model.answer(model, rows, schema)
