"""A schema with columns of every kind, for each task, rows of it, and packages with models of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_package.package import write_schema
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION, Decision, Feature, Schema

SCHEMA = Schema(
    identifier="",
    target="left",
    features=(
        Feature("plan", "category", categories=("Basic", "Pro")),
        Feature("note", "text", nullable=True),
        Feature("member", "boolean", nullable=True),
        Feature("seen", "timestamp"),
        Feature("age", minimum=18, maximum=100, nullable=True),
        Feature("zone", "category", categories=(7, 2**60), unknown="other"),
    ),
    decision=Decision(0.5),
)
ROWS: list[dict[str, Any]] = [
    {"plan": "Pro", "note": "bad", "member": True, "seen": "2026-01-31T18:30:00", "age": 40, "zone": 7},
    {"plan": "Basic", "note": None, "member": None, "seen": "2026-06-01T00:00:00", "age": None, "zone": 2**60},
    {
        "plan": "Basic",
        "note": "good, “very”",
        "member": False,
        "seen": "1999-12-31T23:59:59.500000",
        "age": 18,
        "zone": 99,
    },
]


CLASSES = ("low", "medium", "high")
# The schemas of the other tasks.
MULTICLASS = replace(SCHEMA, task=MULTICLASS_CLASSIFICATION, classes=CLASSES, decision=None)
AMOUNTS = replace(SCHEMA, task=REGRESSION, decision=None)
# The output of each task's graph, its width, and what makes it of the score.
_ENDS = {
    BINARY_CLASSIFICATION: ("probability", 1, [helper.make_node("Sigmoid", ["score"], ["probability"])]),
    REGRESSION: ("prediction", 1, [helper.make_node("Identity", ["score"], ["prediction"])]),
    MULTICLASS_CLASSIFICATION: (
        "probabilities",
        len(CLASSES),
        [
            helper.make_node("Neg", ["score"], ["less"]),
            helper.make_node("Mul", ["score", "scale"], ["little"]),
            helper.make_node("Concat", ["less", "little", "score"], ["scores"], axis=1),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
    ),
}


def write_package(folder: Path, schema: Schema = SCHEMA) -> Path:
    """A model that adds up all columns, what is missing as 0, and knows one text."""
    folder.mkdir(parents=True)
    output, outputs, end = _ENDS[schema.task]
    width = len(schema.matrix_columns)
    constants = {
        "zero": np.array(0, np.float32),
        "weights": np.linspace(-0.3, 0.3, width, dtype=np.float32).reshape(width, 1),
        "scale": np.array(1e-5, np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("IsNaN", ["features"], ["missing"]),
            helper.make_node("Where", ["missing", "zero", "features"], ["known"]),
            helper.make_node("MatMul", ["known", "weights"], ["sums"]),
            helper.make_node("Mul", ["sums", "scale"], ["scaled"]),
            helper.make_node(
                "LabelEncoder",
                ["text_0"],
                ["read"],
                domain="ai.onnx.ml",
                keys_strings=["bad"],
                values_floats=[1.5],
                default_float=0.0,
            ),
            helper.make_node("Add", ["scaled", "read"], ["score"]),
            *end,
        ],
        "every_kind",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width]),
            helper.make_tensor_value_info("text_0", TensorProto.STRING, ["rows", 1]),
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "model.onnx")
    write_schema(folder, schema)
    return folder
