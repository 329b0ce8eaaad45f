"""XGBoost's trees as the ONNX graph of a schema, by the nodes that the template's own model has.

Read from XGBoost's documented JSON. No converter is used because calibration is folded into the leaves here.
"""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from xgboost import Booster

from model_package.rows.encoding import INPUT
from model_package.schema import Schema
from model_package.steps.graph import GraphBuilder, add_answer, add_constant, add_trees, finished
from model_package.steps.table_model import Doubles

# The fields of scikit-learn's nodes that a graph has.
_NODE = [
    ("is_leaf", bool),
    ("value", np.float64),
    ("num_threshold", np.float64),
    ("feature_idx", np.int64),
    ("left", np.int64),
    ("right", np.int64),
    ("missing_go_to_left", bool),
]


def as_graph(booster: Booster, weight: float, base: Doubles, classes: int, schema: Schema) -> onnx.ModelProto:
    """Return the graph of `weight` times the trees' raw scores, and a `base` [scores]; a regression has no classes."""
    graph = GraphBuilder()
    kind = np.dtype(np.float32) if classes else np.dtype(np.float64)
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    trees = [(score, weight, _nodes(tree)) for score, tree in zip(model["tree_info"], model["trees"], strict=True)]
    # A tree of one leaf has no node to decide by.
    base = base.copy()
    for score, _, nodes in trees:
        if len(nodes) == 1:
            base[score] += weight * nodes["value"][0]
    grown = [each for each in trees if len(each[2]) > 1]
    scores = add_trees(graph, INPUT, grown, base, kind) if grown else add_constant(graph, INPUT, base.astype(kind))
    add_answer(graph, scores, np.arange(classes), schema)
    return finished(graph, schema)


def _nodes(tree: dict[str, Any]) -> npt.NDArray[Any]:
    left = np.array(tree["left_children"], np.int64)
    conditions = np.array(tree["split_conditions"], np.float32)
    nodes = np.zeros(len(left), _NODE)
    nodes["is_leaf"] = left < 0
    # A leaf's condition is its value. XGBoost goes left below a threshold, the graph at or below one.
    nodes["value"] = conditions
    nodes["num_threshold"] = np.nextafter(conditions, np.float32(-np.inf))
    nodes["feature_idx"] = tree["split_indices"]
    nodes["left"], nodes["right"] = left, tree["right_children"]
    nodes["missing_go_to_left"] = np.array(tree["default_left"], bool)
    return nodes
