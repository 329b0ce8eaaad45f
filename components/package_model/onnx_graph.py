"""Converts the fitted model to one ONNX graph: `features` float32 [n, features] → `probability` float32 [n, 1].

The template's own pipeline becomes one ensemble of trees (merged_trees.py), which is fast. Any other pipeline becomes
the nodes that skl2onnx generates. The calibration's sigmoid is two numbers, added here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from boosting import register_boosting
from merged_trees import LOG_ODDS, Line, merged
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from model_package.runtime import INPUT
from model_package.tasks.binary_classification import BinaryClassification

# Opset 17 and ML opset 3 are supported by every onnxruntime since 1.12.
OPSETS = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8

OUTPUT = BinaryClassification.output
_RAW = "probabilities"
_POSITIVE_CLASS = 1

Doubles = npt.NDArray[np.float64]


def convert(model: CalibratedClassifierCV, features: int) -> onnx.ModelProto:
    """Convert the calibrated model of `features` columns.

    Raises ValueError if the calibration is not one sigmoid over one pipeline, as train_model fits it.
    """
    pipeline, then = _parts(model)
    node = merged(pipeline, then, OPSETS)
    made = _of_one_node(node, features) if node else _as_it_is(pipeline, then, features)
    made.graph.node.append(helper.make_node("Sigmoid", [LOG_ODDS], [OUTPUT]))
    made.graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1]))
    onnx.checker.check_model(made)
    return made


def _parts(model: CalibratedClassifierCV) -> tuple[Pipeline, Line]:
    fitted = model.calibrated_classifiers_
    if len(fitted) != 1 or model.method != "sigmoid" or len(fitted[0].calibrators) != 1:
        raise ValueError("only one sigmoid over one frozen pipeline can be converted; see train_model.py")
    sigmoid = fitted[0].calibrators[0]
    # scikit-learn's is 1 / (1 + exp(a score + b)).
    return fitted[0].estimator.estimator, Line(-float(sigmoid.a_), -float(sigmoid.b_))


def _of_one_node(node: onnx.NodeProto, features: int) -> onnx.ModelProto:
    given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, features])
    graph = helper.make_graph([node], "calibrated_boosting", [given], [])
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _as_it_is(pipeline: Pipeline, then: Line, features: int) -> onnx.ModelProto:
    """skl2onnx's nodes of a pipeline, up to the log-odds; a sigmoid is fitted to raw scores if there are any."""
    register_boosting()
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(INPUT, FloatTensorType([None, features]))]
    scores = {"raw_scores": True} if hasattr(pipeline, "decision_function") else {}
    options = {id(pipeline.steps[-1][1]): {"zipmap": False, **scores}}
    made = to_onnx(pipeline, initial_types=inputs, options=options, target_opset=OPSETS)
    constants = {
        "positive_class": np.array([_POSITIVE_CLASS], dtype=np.int64),
        "slope": np.array([then.slope], dtype=np.float32),
        "intercept": np.array([then.intercept], dtype=np.float32),
    }
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    made.graph.node.extend(
        [
            helper.make_node("Gather", [_RAW, "positive_class"], ["raw_score"], axis=1),
            helper.make_node("Mul", ["raw_score", "slope"], ["scaled_score"]),
            helper.make_node("Add", ["scaled_score", "intercept"], [LOG_ODDS]),
        ]
    )
    del made.graph.output[:]
    return made


def largest_difference(expected: Doubles, found: Doubles) -> float:
    """Return the largest difference of two sets of probabilities [rows]; infinity if one is not a number."""
    difference = np.abs(expected - found)
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")
