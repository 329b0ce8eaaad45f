"""A model package as small as one can be, whose answers are known; each version has other weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

THRESHOLD = 0.5
_ROWS = [(20.0, 1.0), (60.0, 0.2), (41.0, 3.0)]


def golden_request() -> bytes:
    """A request that every version answers."""
    return json.dumps({"input_data": [{"age": 30.0, "income": 1.5}]}).encode()


def write_package(folder: Path, bias: float) -> None:
    """A model package: a logistic regression of two features."""
    folder.mkdir(parents=True)
    weights = np.array([[0.02], [-0.5]], dtype=np.float32)
    constants = {"weights": weights, "bias": np.array([bias], dtype=np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "bias"], ["score"]),
            helper.make_node("Sigmoid", ["score"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    shape = {"type": "number", "minimum": 0, "maximum": None, "categories": None, "description": ""}
    schema = {
        "format": 1,
        "id": "id",
        "target": "late",
        "features": [{"name": "age", **shape}, {"name": "income", **shape}],
        "decision": {"threshold": THRESHOLD, "chosen_by": "hand"},
    }
    (folder / "schema.json").write_text(json.dumps(schema))
    cases = []
    for age, income in _ROWS:
        log_odds = np.array([age, income], dtype=np.float32) @ weights + np.float32(bias)
        probability = float(1 / (1 + np.exp(-log_odds[0])))
        case = {"request": {"input_data": [{"age": age, "income": income}]}, "probability": [probability]}
        cases.append(case | {"decision": [int(probability >= THRESHOLD)]})
    (folder / "golden.json").write_text(json.dumps({"tolerance": 1e-5, "cases": cases}))
