"""From the fitted model to one ONNX graph: `features` float32 [n, features] → `probability` float32 [n, 1].

skl2onnx converts the pipeline up to its raw score; the calibration's sigmoid is two numbers, added here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.operator_converters.random_forest import convert_sklearn_random_forest_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

INPUT = "features"
OUTPUT = "probability"
# Opset 17 and ML opset 3 are read by every onnxruntime since 1.12.
OPSETS = {"": 17, "ai.onnx.ml": 3}

_RAW = "probabilities"
_FLAGS = "nodes_missing_value_tracks_true"
_POSITIVE_CLASS = 1

Floats = npt.NDArray[np.float32]


class _IntegerFlags:
    """A converter's container that turns the trees' flags into integers.

    skl2onnx (1.20) gives booleans for the ONNX attribute of integers, which protobuf 7 refuses.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        if _FLAGS in attributes:
            attributes[_FLAGS] = [int(flag) for flag in attributes[_FLAGS]]
        return self._container.add_node(*arguments, **attributes)


def _convert_boosting(scope: Any, operator: Any, container: Any) -> None:
    convert_sklearn_random_forest_classifier(scope, operator, _IntegerFlags(container))


def _register() -> None:
    update_registered_converter(
        HistGradientBoostingClassifier,
        "SklearnHistGradientBoostingClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_boosting,
        options={
            "zipmap": [True, False, "columns"],
            "raw_scores": [True, False],
            "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )


def convert(model: CalibratedClassifierCV, features: int) -> onnx.ModelProto:
    """Convert the calibrated model of `features` columns.

    Raises ValueError when the calibration is not one sigmoid over one pipeline, as train_model fits it.
    """
    pipeline, slope, intercept = _parts(model)
    _register()
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(INPUT, FloatTensorType([None, features]))]
    graph = to_onnx(
        pipeline,
        initial_types=inputs,
        options={id(pipeline.steps[-1][1]): {"zipmap": False, "raw_scores": True}},
        target_opset=OPSETS,
    )
    _add_sigmoid(graph.graph, slope, intercept)
    onnx.checker.check_model(graph)
    return graph


def _parts(model: CalibratedClassifierCV) -> tuple[Pipeline, float, float]:
    fitted = model.calibrated_classifiers_
    if len(fitted) != 1 or model.method != "sigmoid" or len(fitted[0].calibrators) != 1:
        raise ValueError("only one sigmoid over one frozen pipeline can be converted; see train_model.py")
    sigmoid = fitted[0].calibrators[0]
    return fitted[0].estimator.estimator, float(sigmoid.a_), float(sigmoid.b_)


def _add_sigmoid(graph: onnx.GraphProto, slope: float, intercept: float) -> None:
    """Replace the outputs by P = 1 / (1 + exp(slope * raw + intercept)), raw being the positive class's."""
    constants = {
        "positive_class": np.array([_POSITIVE_CLASS], dtype=np.int64),
        "slope": np.array([-slope], dtype=np.float32),
        "intercept": np.array([-intercept], dtype=np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("Gather", [_RAW, "positive_class"], ["raw_score"], axis=1),
            helper.make_node("Mul", ["raw_score", "slope"], ["scaled_score"]),
            helper.make_node("Add", ["scaled_score", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], [OUTPUT]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1]))


def score(graph: onnx.ModelProto, features: Floats) -> Floats:
    """Run the graph as serving does: features float32 [rows, features] → probabilities float32 [rows]."""
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (probability,) = session.run([OUTPUT], {INPUT: features})
    return np.asarray(probability, dtype=np.float32)[:, 0]


def largest_difference(expected: npt.NDArray[np.float64], found: Floats) -> float:
    """Give the largest distance of two sets of probabilities [rows]; infinity when one is no number."""
    difference = np.abs(expected - found.astype(np.float64))
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")
