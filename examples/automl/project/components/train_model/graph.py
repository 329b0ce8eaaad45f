"""A model of XGBoost, LightGBM or a forest as an ONNX graph with the one output that the schema's task names."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost  # ty: ignore[import-not-found]
from onnxmltools.convert.common.data_types import FloatTensorType  # ty: ignore[import-not-found]
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType as MatrixType

from model_package.rows.encoding import INPUT
from model_package.schema import BINARY_CLASSIFICATION, REGRESSION, Schema
from model_package.tasks import task_of

# Supported by every onnxruntime since 1.12.
OPSET, ML_OPSET, IR_VERSION = 15, 3, 8


def as_graph(model: Any, classes: npt.NDArray[np.int64], columns: int, schema: Schema) -> bytes:
    """Return the graph of a fitted model that reads the matrix [rows, columns].

    `classes` are the places of the classes that training had, in the order of the model's probabilities.
    """
    converted = _converted(model, columns, classifies=schema.task != REGRESSION)
    graph = converted.graph
    # The last output has the probabilities or the numbers; the first of a classifier, its labels, is not needed.
    found = graph.output[-1].name
    places = _places(classes, schema)
    name = task_of(schema).output
    if places is None:
        shape = numpy_helper.from_array(np.array([-1, 1]), "answer_shape")
        graph.initializer.append(shape)
        graph.node.append(helper.make_node("Reshape", [found, shape.name], [name]))
        width = 1
    else:
        graph.initializer.append(numpy_helper.from_array(places, "answer_places"))
        graph.node.append(helper.make_node("MatMul", [found, "answer_places"], [name]))
        width = places.shape[1]
    made = helper.make_graph(
        list(graph.node),
        schema.task,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])],
        list(graph.initializer),
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    whole = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(whole)
    return whole.SerializeToString()


def _places(classes: npt.NDArray[np.int64], schema: Schema) -> npt.NDArray[np.float32] | None:
    """Return which of the model's columns is which class, [known, columns of the answer]; None for a regression."""
    if schema.task == REGRESSION:
        return None
    wanted = [1] if schema.task == BINARY_CLASSIFICATION else range(len(schema.classes))
    return (classes[:, None] == np.array(wanted)).astype(np.float32)


def _converted(model: Any, columns: int, *, classifies: bool) -> Any:
    kind = type(model).__module__.partition(".")[0]
    if kind == "xgboost":
        return convert_xgboost(model, initial_types=[(INPUT, FloatTensorType([None, columns]))], target_opset=OPSET)
    if kind == "lightgbm":
        return convert_lightgbm(
            model,
            initial_types=[(INPUT, FloatTensorType([None, columns]))],
            target_opset=OPSET,
            **({"zipmap": False} if classifies else {}),
        )
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(INPUT, MatrixType([None, columns]))]
    return to_onnx(
        model,
        initial_types=inputs,
        options={id(model): {"zipmap": False}} if classifies else None,
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )
