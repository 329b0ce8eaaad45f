"""The parts of a model's ONNX graph that every step which makes one shares: nodes, trees, and the task's one output.

Trees come as scikit-learn's table of nodes. Needs onnx.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_package.rows.encoding import INPUT, input_names
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION, Schema
from model_package.tasks import base_task, task_of

Doubles: TypeAlias = npt.NDArray[np.float64]
Nodes: TypeAlias = npt.NDArray[Any]

# Opset 17 and ML opset 3 are supported by every onnxruntime since 1.12; onnxruntime itself splits texts into words.
OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
_TEXT_OPSETS = {"com.microsoft": 1}
IR_VERSION = 8
_ML = "ai.onnx.ml"


class GraphBuilder:
    """The nodes and constants of a graph as it grows; every method returns the name of what its nodes make."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def rounded_down(thresholds: Doubles) -> npt.NDArray[np.float32]:
    """Return the largest float32 that is at most each threshold: `x <= it` holds for the same float32 x."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def add_trees(
    graph: GraphBuilder, given: str, trees: list[tuple[int, float, Nodes]], base: Doubles, kind: np.dtype[Any]
) -> str:
    """Add the sum [rows, scores] of trees, each with the score that it adds to and its weight, and of a base [scores].

    `kind` is that of the sum. A row goes left where its value is at most the threshold.
    """
    table = np.concatenate([nodes for _, _, nodes in trees])
    sizes = [len(nodes) for _, _, nodes in trees]
    numbers = np.repeat(np.arange(len(trees)), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    leaf = table["is_leaf"].astype(bool)
    scores = np.repeat([score for score, _, _ in trees], sizes)
    weights = np.repeat([factor for _, factor, _ in trees], sizes) * table["value"]
    values = np.where(leaf, 0, rounded_down(table["num_threshold"]))
    attributes: dict[str, Any] = {
        "nodes_treeids": numbers.tolist(),
        "nodes_nodeids": places.tolist(),
        "nodes_featureids": np.where(leaf, 0, table["feature_idx"]).astype(int).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(leaf, 0, table["left"]).astype(int).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, table["right"]).astype(int).tolist(),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, table["missing_go_to_left"]).astype(int).tolist(),
        "target_treeids": numbers[leaf].tolist(),
        "target_nodeids": places[leaf].tolist(),
        "target_ids": scores[leaf].tolist(),
    }
    if kind == np.float64:
        # The sum of a regression stays exact in any unit; its one rounding is that of the answer.
        given = graph.node("Cast", [given], to=TensorProto.DOUBLE)
        doubles = {"nodes_values": values, "target_weights": weights[leaf], "base_values": base}
        attributes |= {
            f"{name}_as_tensor": numpy_helper.from_array(each.astype(np.float64), name)
            for name, each in doubles.items()
        }
    else:
        attributes |= {"nodes_values": values.tolist(), "target_weights": weights[leaf].tolist()}
        attributes["base_values"] = base.tolist()
    made = graph.node("TreeEnsembleRegressor", [given], domain=_ML, n_targets=len(base), **attributes)
    return made if kind == np.float32 else graph.node("Cast", [made], to=TensorProto.DOUBLE)


def add_constant(graph: GraphBuilder, given: str, row: npt.NDArray[Any]) -> str:
    """Add the same row [scores] for each row of an input."""
    rows = graph.node("Gather", [graph.node("Shape", [given]), graph.constant(np.array([0]))])
    shape = graph.node("Concat", [rows, graph.constant(np.array([len(row)]))], axis=0)
    return graph.node("Expand", [graph.constant(row[None]), shape])


def add_answer(graph: GraphBuilder, scores: str, classes: npt.NDArray[np.int64], schema: Schema) -> None:
    """Add the answer from raw scores [rows, scores]."""
    if base_task(schema) == REGRESSION:
        graph.node("Cast", [scores], task_of(schema).output, to=TensorProto.FLOAT)
    elif base_task(schema) == BINARY_CLASSIFICATION:
        graph.node("Sigmoid", [scores], task_of(schema).output)
    elif len(classes) > 2:
        add_placed(graph, graph.node("Softmax", [scores], axis=1), classes, schema)
    elif len(classes) == 1:
        # The only score is 0 then.
        add_placed(graph, graph.node("Exp", [scores]), classes, schema)
    else:
        positive = graph.node("Sigmoid", [scores])
        negative = graph.node("Sub", [graph.constant(np.ones(1, np.float32)), positive])
        add_placed(graph, graph.node("Concat", [negative, positive], axis=1), classes, schema)


def add_placed(graph: GraphBuilder, found: str, classes: npt.NDArray[np.int64], schema: Schema) -> None:
    """Add the answer from probabilities [rows, classes] of the known classes; the others have 0."""
    output = task_of(schema).output
    if base_task(schema) == BINARY_CLASSIFICATION:
        graph.node("MatMul", [found, graph.constant((classes[:, None] == 1).astype(np.float32))], output)
    elif classes.tolist() == list(range(len(schema.classes))):
        graph.node("Identity", [found], output)
    else:
        places = (classes[:, None] == np.arange(len(schema.classes))).astype(np.float32)
        graph.node("MatMul", [found, graph.constant(places)], output)


def finished(graph: GraphBuilder, schema: Schema) -> onnx.ModelProto:
    """Return the graph as a model with the inputs and the output of a schema."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, len(schema.matrix_columns)])
        if name == INPUT
        else helper.make_tensor_value_info(name, TensorProto.STRING, [None, 1])
        for name in input_names(schema)
    ]
    width = len(schema.classes) if base_task(schema) == MULTICLASS_CLASSIFICATION else 1
    output = helper.make_tensor_value_info(task_of(schema).output, TensorProto.FLOAT, [None, width])
    made = helper.make_graph(graph.nodes, schema.task, inputs, [output], graph.constants)
    opsets = OPSETS | (_TEXT_OPSETS if schema.texts else {})
    found = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(found)
    return found
