"""A tiny real model package (three features, a logistic regression in ONNX) for the scoring tests."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ENDPOINTS = Path(__file__).parents[2] / "endpoints"
ONLINE = ENDPOINTS / "online"
sys.path[:0] = [str(ONLINE), str(ENDPOINTS / "batch")]

FEATURES = [
    {
        "name": "age",
        "type": "integer",
        "minimum": 18,
        "maximum": 100,
        "categories": None,
        "description": "years",
    },
    {
        "name": "income",
        "type": "number",
        "minimum": 0,
        "maximum": None,
        "categories": None,
        "description": "",
    },
    {"name": "kind", "type": "integer", "minimum": None, "maximum": None, "categories": [1, 2, 4]},
]
WEIGHTS = np.array([[0.02], [-0.0001], [0.3]], dtype=np.float32)
BIAS = np.array([-1.0], dtype=np.float32)
THRESHOLD = 0.4


def probability(age: float, income: float, kind: float) -> float:
    """What the tiny model must answer, computed without ONNX."""
    score = np.array([age, income, kind], dtype=np.float32) @ WEIGHTS + BIAS
    return float(1 / (1 + np.exp(-score[0])))


def write_package(folder: Path, *, width: int = 3, output: str = "probability", fmt: int = 1) -> Path:
    folder.mkdir(parents=True)
    weights = np.resize(WEIGHTS, (width, 1))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "bias"], ["score"]),
            helper.make_node("Sigmoid", ["score"], [output]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(BIAS, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    schema = {
        "format": fmt,
        "id": "id",
        "target": "late",
        "features": FEATURES,
        "decision": {"threshold": THRESHOLD, "chosen_by": "hand"},
    }
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


@pytest.fixture(scope="session")
def package_writer() -> Callable[..., Path]:
    return write_package


@pytest.fixture(scope="session")
def expected_probability() -> Callable[[float, float, float], float]:
    return probability


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package one folder below the model folder, as Azure ML mounts it."""
    return write_package(tmp_path_factory.mktemp("model") / "model_package")
