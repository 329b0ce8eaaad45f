"""The graph of the template's own model: one ensemble of trees, and the words of each text, added up.

The calibration's numbers are part of the weights. The means of categories are looked up in one table for all members,
and are columns beside the matrix. Trees are read from scikit-learn's own table of nodes: a threshold is
rounded down to float32, which keeps every float32 value on its side.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, compose
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer

from model_package.rows.encoding import INPUT, TEXT_INPUT
from model_package.steps.graph import GraphBuilder, add_constant, add_trees
from model_package.steps.table_model import Boosting, Member, TableModel, TextScores

Doubles: TypeAlias = npt.NDArray[np.float64]
Nodes: TypeAlias = npt.NDArray[Any]

_ML = "ai.onnx.ml"


def add_scores(graph: GraphBuilder, model: TableModel, inputs: Sequence[str], opsets: dict[str, int]) -> str:
    """Add the weighted sum of all raw scores [rows, scores] of a model; double of a regression, else float."""
    kind = np.dtype(np.float32) if len(model.classes_) else np.dtype(np.float64)
    parts = []
    trees, base = _trees(model)
    if trees:
        parts.append(add_trees(graph, _add_means(graph, model.members), trees, base, kind))
    else:
        parts.append(add_constant(graph, inputs[0], base.astype(kind)))
    for at, (text, weight) in enumerate(zip(model.texts, model.weights[1:], strict=True)):
        if text is not None:
            parts.append(_add_text(graph, text, TEXT_INPUT.format(at), weight, kind, opsets))
    total = parts[0]
    for part in parts[1:]:
        total = graph.node("Add", [total, part])
    return total


def _trees(model: TableModel) -> tuple[list[tuple[int, float, Nodes]], Doubles]:
    """Return the trees with the score that each adds to and its weight, and what is added to every row [scores]."""
    trees, base, means = [], model.intercepts.astype(np.float64), 0
    for member in model.members:
        factor = model.weights[0] / len(model.members)
        base = base + factor * _baseline(member.boosting).reshape(-1)
        for iteration in _predictors(member.boosting):
            for score, predictor in enumerate(iteration):
                nodes = _reading(predictor.nodes, member, means)
                if nodes["is_categorical"].any():
                    raise ValueError("a tree splits by sets of categories; train it without `categorical_features`")
                if len(nodes) > 1:
                    trees.append((score, factor, nodes))
                else:
                    base[score] += factor * nodes["value"][0]
        means += len(member.means.columns)
    return trees, base


def _reading(nodes: Nodes, member: Member, before: int) -> Nodes:
    """Return a member's nodes, which read its own means: there are `before` of other members in front of them."""
    if not before:
        return nodes
    columns = _width(member.boosting) - len(member.means.columns)
    moved = nodes.copy()
    moved["feature_idx"][nodes["feature_idx"] >= columns] += before
    return moved


# scikit-learn has no public way to them; skl2onnx reads the same.
def _predictors(member: Boosting) -> Any:
    return member._predictors


def _baseline(member: Boosting) -> Doubles:
    return member._baseline_prediction


def _width(member: Boosting) -> int:
    return int(member.n_features_in_)


def _add_means(graph: GraphBuilder, members: Sequence[Member]) -> str:
    """Add the matrix with the means of all members as further columns; the matrix alone where there are none."""
    columns = [column for member in members for column in member.means.columns]
    values = [each for member in members for each in member.means.values]
    if not columns:
        return INPUT
    sizes = np.array([len(each) for each in values])
    codes = graph.node("Gather", [INPUT, graph.constant(np.array(columns))], axis=1)
    missing = graph.constant((sizes - 1).astype(np.float32))
    known = graph.node("Where", [graph.node("IsNaN", [codes]), missing, codes])
    places = graph.node("Cast", [known], to=TensorProto.INT64)
    table_places = graph.node("Add", [places, graph.constant(np.cumsum(sizes) - sizes)])
    found = graph.node("Gather", [graph.constant(np.concatenate(values)), table_places])
    return graph.node("Concat", [INPUT, found], axis=1)


def _add_text(
    graph: GraphBuilder, text: TextScores, given: str, weight: float, kind: np.dtype[Any], opsets: dict[str, int]
) -> str:
    """Add the scores of a text column: skl2onnx's nodes for its words, and the coefficients."""
    words = copy(text.words).set_params(lowercase=True)
    options = {TfidfVectorizer: {"locale": "C"}}
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(given, StringTensorType([None, 1]))]
    made = to_onnx(words, initial_types=inputs, options=options, target_opset=opsets)
    made = compose.add_prefix(made, f"{given}_", rename_inputs=False)
    graph.nodes += made.graph.node
    graph.constants += made.graph.initializer
    found = made.graph.output[0].name
    if kind == np.float64:
        found = graph.node("Cast", [found], to=TensorProto.DOUBLE)
    return graph.node("MatMul", [found, graph.constant((weight * text.coefficients).astype(kind))])
