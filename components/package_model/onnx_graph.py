"""The model as an ONNX graph, with the inputs of its schema and the one output of its task.

The template's own model becomes one ensemble of trees and the words of its texts (table_graph.py). Any other
scikit-learn model becomes the nodes that skl2onnx generates, and a few that give the answer the task's name and form.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
from boosting import register_boosting
from onnx import TensorProto, compose
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from table_graph import add_scores

from model_package.rows.encoding import input_names
from model_package.schema import REGRESSION, Schema
from model_package.steps.graph import OPSETS, GraphBuilder, add_answer, add_placed, finished
from model_package.steps.table_model import TableModel
from model_package.tasks import base_task, task_of

_ADVICE = "train one that skl2onnx converts, or the template's own model"


def convert(model: BaseEstimator, schema: Schema) -> onnx.ModelProto:
    """Convert a fitted model. Raises ValueError for one that cannot be converted as it is."""
    graph = GraphBuilder()
    if isinstance(model, TableModel):
        scores = add_scores(graph, model, input_names(schema), OPSETS)
        add_answer(graph, scores, model.classes_, schema)
    elif isinstance(model, CalibratedClassifierCV):
        _add_calibrated(graph, model, schema)
    else:
        _add_plain(graph, model, schema)
    return finished(graph, schema)


def _add_calibrated(graph: GraphBuilder, model: CalibratedClassifierCV, schema: Schema) -> None:
    """Add a sigmoid over the raw scores, or the probabilities, of one frozen pipeline."""
    fitted = model.calibrated_classifiers_
    if len(fitted) != 1 or model.method != "sigmoid" or len(fitted[0].calibrators) != 1:
        raise ValueError("of CalibratedClassifierCV only one sigmoid over one FrozenEstimator can be converted")
    frozen, sigmoid = fitted[0].estimator, fitted[0].calibrators[0]
    pipeline = getattr(frozen, "estimator", frozen)
    found = _add_nodes(graph, pipeline, schema, raw=hasattr(pipeline, "decision_function"))
    score = graph.node("Gather", [found, graph.constant(np.array([1]))], axis=1)
    # scikit-learn's is 1 / (1 + exp(a score + b)).
    scaled = graph.node("Mul", [score, graph.constant(np.array([-sigmoid.a_], np.float32))])
    moved = graph.node("Add", [scaled, graph.constant(np.array([-sigmoid.b_], np.float32))])
    graph.node("Sigmoid", [moved], task_of(schema).output)


def _add_plain(graph: GraphBuilder, model: BaseEstimator, schema: Schema) -> None:
    """Add skl2onnx's nodes of any other model, and the answer."""
    if is_classifier(model) == (base_task(schema) == REGRESSION):
        raise ValueError(f"{type(model).__name__} does not fit the task {schema.task} of the schema")
    found = _add_nodes(graph, model, schema)
    if base_task(schema) == REGRESSION:
        shape = graph.constant(np.array([-1, 1]))
        graph.node("Cast", [graph.node("Reshape", [found, shape])], task_of(schema).output, to=TensorProto.FLOAT)
    else:
        # Any: not every estimator has classes.
        add_placed(graph, found, np.asarray(cast(Any, model).classes_).astype(np.int64), schema)


def _add_nodes(graph: GraphBuilder, model: BaseEstimator, schema: Schema, *, raw: bool = False) -> str:
    """Add skl2onnx's nodes; returns the name of the prediction of a regressor, of the probabilities of a classifier."""
    register_boosting()
    columns, texts = len(schema.matrix_columns), len(schema.texts)
    if texts > 1 or (texts and columns):
        raise ValueError(f"{type(model).__name__} cannot read texts beside other columns; {_ADVICE}")
    (name,) = input_names(schema)
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(name, StringTensorType([None, 1]) if texts else FloatTensorType([None, columns]))]
    options: dict[Any, Any] = {TfidfVectorizer: {"locale": "C"}}
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if is_classifier(model):
        options[id(last)] = {"zipmap": False, **({"raw_scores": True} if raw else {})}
    try:
        made = to_onnx(model, initial_types=inputs, options=options, target_opset=OPSETS)
    except (RuntimeError, NameError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{type(last).__name__} cannot be converted: {reason}; {_ADVICE}") from error
    # Its output may have the very name of the answer.
    made = compose.add_prefix(made, "model_", rename_inputs=False)
    graph.nodes += made.graph.node
    graph.constants += made.graph.initializer
    return made.graph.output[-1].name


def largest_difference(expected: npt.NDArray[np.float64], found: npt.NDArray[np.float64], schema: Schema) -> float:
    """Return the largest distance of two sets of answers, as the task measures it; infinity if one is not a number."""
    distances = task_of(schema).distances(expected, found)
    return float(distances.max()) if np.isfinite(distances).all() else float("inf")
