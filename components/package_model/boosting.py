"""Patches skl2onnx's conversion of scikit-learn's boosting: for current protobuf, and for exact thresholds."""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from skl2onnx.operator_converters.random_forest import (
    convert_sklearn_random_forest_classifier,
    convert_sklearn_random_forest_regressor_converter,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from model_package.steps.graph import rounded_down

_FLAGS = "nodes_missing_value_tracks_true"
_THRESHOLDS = "nodes_values"


def register_boosting() -> None:
    """Let skl2onnx convert the boosting of both kinds; idempotent."""
    update_registered_converter(
        HistGradientBoostingClassifier,
        "SklearnHistGradientBoostingClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_classifier,
        options={
            "zipmap": [True, False, "columns"],
            "raw_scores": [True, False],
            "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "SklearnHistGradientBoostingRegressor",
        calculate_linear_regressor_output_shapes,
        _convert_regressor,
    )


class _ExactAttributes:
    """A converter's container that turns the trees' flags into integers, and rounds their thresholds down.

    skl2onnx (1.20) passes booleans for an ONNX attribute of integers, which protobuf 7 refuses, and thresholds in
    double, which the attribute rounds to the nearest float32: a value on a threshold could change sides.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        if _FLAGS in attributes:
            attributes[_FLAGS] = [int(flag) for flag in attributes[_FLAGS]]
        if _THRESHOLDS in attributes:
            attributes[_THRESHOLDS] = rounded_down(np.array(attributes[_THRESHOLDS], np.float64)).tolist()
        return self._container.add_node(*arguments, **attributes)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    _refuse_categorical(operator.raw_operator)
    convert_sklearn_random_forest_classifier(scope, operator, _ExactAttributes(container))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    _refuse_categorical(operator.raw_operator)
    convert_sklearn_random_forest_regressor_converter(scope, operator, _ExactAttributes(container))


def _refuse_categorical(model: Any) -> None:
    categorical = getattr(model, "is_categorical_", None)
    if categorical is not None and np.any(categorical):
        raise ValueError(
            "boosting with `categorical_features` converts into a wrong graph; "
            "train it on the codes as they are, without `categorical_features`"
        )
