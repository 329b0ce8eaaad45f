"""What a train step wrote, opened for scoring: a scikit-learn model, or the ONNX graph of any other framework."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.errors import ModelError
from model_package.package import MODEL_FILE as GRAPH_FILE
from model_package.rows.encoding import Tensors
from model_package.runtime import Scorer
from model_package.schema import Schema
from model_package.steps import sklearn_model
from model_package.steps.onnx_model import has_graph, load_graph


def load_model(folder: Path, schema: Schema) -> Any:
    """Read the model that the folder holds. Raises ModelError for two models, PackageError for a graph that misfits."""
    if not has_graph(folder):
        return sklearn_model.load_model(folder)
    if (folder / sklearn_model.MODEL_FILE).exists():
        both = f"{sklearn_model.MODEL_FILE} and {GRAPH_FILE}"
        raise ModelError(f"the trained model holds both {both}: let train_model write one of them")
    return load_graph(folder, schema)


def answer(model: Any, rows: Tensors, schema: Schema) -> npt.NDArray[np.float64]:
    """Return the model's answer to rows as the schema's task has it: [rows], or [rows, classes]."""
    return model.score(rows) if isinstance(model, Scorer) else sklearn_model.answer(model, rows, schema)
