"""Merges a pipeline of indicators and boosting into trees over the pipeline's own input: one node instead of many.

As separate nodes, the indicator columns and the calibration after the trees cost as much as many trees; so they are
merged into the trees. "Is the indicator of code 2 set?" becomes "is the code between 1.5 and 2.5?", and the
calibration's two numbers go into the weights.

The results are the same for every code in the schema and for missing values. No model is given an unknown code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import onnx
from boosting import register_boosting
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from model_package.runtime import INPUT

# The tensor between the trees and the sigmoid.
LOG_ODDS = "log_odds"

_CLASSIFIER = "TreeEnsembleClassifier"
_MISSING = "missing_value_tracks_true"
# The columns of ONNX's table of nodes, as they are read here; all splits have the same mode.
_NODE = ("treeids", "nodeids", "featureids", "values", _MISSING, "truenodeids", "falsenodeids")
_ROOT = 0
_INFINITE = float("inf")


@dataclass(frozen=True)
class Leaf:
    """A leaf of a tree: what it adds to the score."""

    weight: float


@dataclass(frozen=True)
class Branch:
    """A split: is column `column` at most `threshold`? A missing value goes to the "yes" side if `missing_yes`."""

    column: int
    threshold: float
    missing_yes: bool
    yes: "Tree"
    no: "Tree"


Tree = Leaf | Branch


@dataclass(frozen=True)
class Column:
    """The origin of a column of the encoded matrix: `source` unchanged, or 1 where `source` is `code`, else 0.

    `codes` are all codes of the source, ascending; empty if it is passed through.
    """

    source: int
    code: float | None = None
    codes: tuple[float, ...] = ()

    def span(self, code: float) -> tuple[float, float]:
        """The interval, without its lower end, that contains `code` and no other code."""
        ends = [-_INFINITE, *((low + high) / 2 for low, high in pairwise(self.codes)), _INFINITE]
        at = self.codes.index(code)
        return ends[at], ends[at + 1]


@dataclass(frozen=True)
class Known:
    """What earlier splits imply about a source: it is above `least` and at most `most`, and may still be missing."""

    least: float = -_INFINITE
    most: float = _INFINITE
    missing: bool = True


@dataclass(frozen=True)
class Line:
    """A linear map of a score: `slope` times it, plus `intercept`."""

    slope: float
    intercept: float


def merged(pipeline: Pipeline, then: Line, opsets: Mapping[str, int]) -> onnx.NodeProto | None:
    """One node from INPUT to LOG_ODDS: the pipeline's raw score, and its linear map.

    None for any pipeline other than indicators, passed-through columns, and boosting after them.
    """
    if [type(step) for _, step in pipeline.steps] != [ColumnTransformer, HistGradientBoostingClassifier]:
        return None
    encode, boost = (step for _, step in pipeline.steps)
    columns = encoded_columns(encode)
    if columns is None:
        return None
    trees, base = _boosted(boost, len(columns), opsets)
    return _ensemble([on_sources(tree, columns) for tree in trees], then.slope, then.slope * base + then.intercept)


def encoded_columns(encode: ColumnTransformer) -> list[Column] | None:
    """The origin of each column that boosting sees; None if one is neither an indicator nor passed through."""
    found: list[Column] = []
    for _, step, sources in encode.transformers_:
        if not len(sources):
            # scikit-learn does not fit a step without columns: here, where no column holds codes.
            continue
        if isinstance(step, OneHotEncoder) and step.drop is None:
            for source, values in zip(sources, step.categories_, strict=True):
                codes = tuple(float(value) for value in values)
                found += [Column(source, code, codes) for code in codes]
        elif isinstance(step, FunctionTransformer) and step.func is None:
            found += [Column(source) for source in sources]
        else:
            return None
    return found


def on_sources(tree: Tree, columns: Sequence[Column], known: Mapping[int, Known] | None = None) -> Tree:
    """The same tree over the sources of `columns`; `known` is what earlier splits imply about them."""
    if isinstance(tree, Leaf):
        return tree
    column, known = columns[tree.column], known or {}
    if column.code is None:
        yes, no = (on_sources(each, columns, known) for each in (tree.yes, tree.no))
        return Branch(column.source, tree.threshold, tree.missing_yes, yes, no)
    if not 0 <= tree.threshold < 1:
        raise ValueError(f"a tree splits an indicator at {tree.threshold:g}; it is either 0 or 1")
    source, (low, high) = column.source, column.span(column.code)
    settled = known.get(source, Known())
    least, most = settled.least, settled.most

    def now(answer: Tree, found: Known) -> Tree:
        return on_sources(answer, columns, {**known, source: found})

    # Implied splits are not repeated: otherwise a tree would double with each code that it splits on.
    if most <= low or least >= high:
        return now(tree.yes, settled)
    made = now(tree.no, Known(max(least, low), min(most, high), missing=False))
    # A missing value is none of the codes: it goes where the others go, to those below if there are any.
    below = low > least
    missing = settled.missing and not below
    if high < most or missing:
        made = Branch(source, high, missing_yes=False, yes=made, no=now(tree.yes, Known(high, most, missing)))
    if below:
        made = Branch(source, low, missing_yes=True, yes=now(tree.yes, Known(least, low, settled.missing)), no=made)
    return made


def _boosted(boost: HistGradientBoostingClassifier, width: int, opsets: Mapping[str, int]) -> tuple[list[Tree], float]:
    """The trees over `width` encoded columns, and the initial value of their sum: together the log-odds."""
    register_boosting()
    # Any: skl2onnx annotates its own tensor types as sequences of numbers.
    inputs: Any = [(INPUT, FloatTensorType([None, width]))]
    options = {id(boost): {"zipmap": False, "raw_scores": True}}
    converted = to_onnx(boost, initial_types=inputs, options=options, target_opset=dict(opsets))
    (node,) = (node for node in converted.graph.node if node.op_type == _CLASSIFIER)
    table = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    ends = zip(table["class_treeids"], table["class_nodeids"], strict=True)
    weights = dict(zip(ends, table["class_weights"], strict=True))
    nodes = zip(*(table[f"nodes_{name}"] for name in _NODE), strict=True)
    rows = {(tree, at): rest for tree, at, *rest in nodes}

    def read(tree: int, at: int) -> Tree:
        if (tree, at) in weights:
            return Leaf(weights[tree, at])
        column, threshold, missing_yes, yes, no = rows[tree, at]
        return Branch(column, threshold, bool(missing_yes), read(tree, yes), read(tree, no))

    return [read(tree, _ROOT) for tree in sorted({tree for tree, _ in rows})], float(table["base_values"][0])


def _ensemble(trees: Sequence[Tree], factor: float, base: float) -> onnx.NodeProto:
    """The node that sums `factor` times the weights of the trees, and `base`."""
    nodes: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []

    def write(number: int, tree: Tree) -> int:
        at = len(nodes) - first
        node: dict[str, Any] = {"treeids": number, "nodeids": at, "truenodeids": _ROOT, "falsenodeids": _ROOT}
        nodes.append(node)
        if isinstance(tree, Leaf):
            node |= {"modes": "LEAF", "featureids": 0, "values": 0.0, _MISSING: 0}
            targets.append({"treeids": number, "nodeids": at, "ids": 0, "weights": factor * tree.weight})
            return at
        node |= {"modes": "BRANCH_LEQ", "featureids": tree.column, "values": tree.threshold}
        node |= {_MISSING: int(tree.missing_yes), "truenodeids": write(number, tree.yes)}
        node["falsenodeids"] = write(number, tree.no)
        return at

    for number, tree in enumerate(trees):
        first = len(nodes)
        write(number, tree)
    attributes: dict[str, Any] = {f"nodes_{name}": [node[name] for node in nodes] for name in (*_NODE, "modes")}
    attributes |= {f"target_{name}": [target[name] for target in targets] for name in targets[0]}
    return helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        [LOG_ODDS],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[base],
        **attributes,
    )
