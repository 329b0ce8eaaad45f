"""Packages of a linear model for each task, whose documents are true of it, and rows that follow the best one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

from model_package.baseline import Baseline
from model_package.evaluation import Evaluation
from model_package.golden import Golden
from model_package.package import (
    BASELINE_FILE,
    EVALUATION_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    PROVENANCE_FILE,
    write_schema,
)
from model_package.provenance import DataSource, Provenance, Software
from model_package.runtime import Scorer
from model_package.schema import Decision, Feature, Schema, Slice, Subgroup
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import TASKS, task_of

KINDS = tuple(Subgroup(str(code), (code,)) for code in (1, 2, 3))
FEATURES = (
    Feature("age", minimum=18, maximum=90),
    Feature("income", "number", minimum=0),
    Feature("kind", categories=(1, 2, 3)),
)
REGRESSION = Schema("id", "price", FEATURES, (Slice("kind", "kind", KINDS),), task="regression")
BINARY = Schema("id", "late", FEATURES, (Slice("kind", "kind", KINDS),), Decision(0.3, "hand"))
MULTICLASS = Schema(
    "id",
    "risk",
    FEATURES,
    (Slice("kind", "kind", KINDS),),
    task="multiclass_classification",
    classes=("low", "mid", "high"),
)
# Products that change nothing but time and size.
SLOW_WIDTH = 384
LAST_NODES = {"binary_classification": "Sigmoid", "regression": "Identity", "multiclass_classification": "Softmax"}
SEED = {"held_out": 1, "train": 2, "recent": 3}


@dataclass(frozen=True)
class Recipe:
    """A linear model [features, outputs]; its answers are sharpened by `scale`."""

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    scale: float = 1.0
    slow_layers: int = 0
    features: tuple[Feature, ...] = FEATURES

    def raw(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """What the linear part says [rows, outputs]."""
        return (features @ np.array(self.weights) + np.array(self.bias)) * self.scale


BEST = {
    "binary_classification": Recipe(((0.05,), (-1.2,), (0.0,)), (-1.5,)),
    "regression": Recipe(((2.0,), (-30.0,), (0.0,)), (100.0,)),
    "multiclass_classification": Recipe(((0.06, 0.0, -0.06), (0.0, 1.5, -1.5), (0.0, 0.0, 0.0)), (-3.0, 0.0, 3.0)),
}
SCHEMAS = {each.task: each for each in (BINARY, REGRESSION, MULTICLASS)}


def frame(name: str, count: int, seed: int) -> pl.DataFrame:
    """Rows whose target follows the best model; `kind` says nothing about it."""
    random, schema = np.random.default_rng(seed), SCHEMAS[name]
    columns = [random.integers(18, 80, count), random.exponential(1.0, count), random.integers(1, 4, count)]
    raw = BEST[name].raw(np.stack(columns, axis=1))
    if name == "regression":
        target: Any = raw[:, 0] + 5 * random.normal(size=count)
    elif name == "binary_classification":
        target = (raw[:, 0] + random.logistic(size=count) > 0).astype(np.int8)
    else:
        target = np.array(schema.classes)[(raw + random.gumbel(size=raw.shape)).argmax(axis=1)]
    return pl.DataFrame({**dict(zip(schema.names, columns, strict=True)), schema.target: target})


def graph_of(name: str, recipe: Recipe) -> onnx.ModelProto:
    """features [rows, 3] → the task's output."""
    output, width = TASKS[name].output, len(recipe.bias)
    constants = {
        "weights": np.array(recipe.weights, np.float32) * np.float32(recipe.scale),
        "bias": np.array(recipe.bias, np.float32) * np.float32(recipe.scale),
    }
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["product"])]
    nodes.append(helper.make_node("Add", ["product", "bias"], ["raw"]))
    last = "raw"
    if recipe.slow_layers:
        constants |= {
            "widen": np.eye(width, SLOW_WIDTH, dtype=np.float32),
            "same": np.eye(SLOW_WIDTH, dtype=np.float32),
            "narrow": np.eye(SLOW_WIDTH, width, dtype=np.float32),
        }
        for at, factor in enumerate(["widen", *["same"] * recipe.slow_layers, "narrow"]):
            nodes.append(helper.make_node("MatMul", [last, factor], [f"layer{at}"]))
            last = f"layer{at}"
    nodes.append(helper.make_node(LAST_NODES[name], [last], [output]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", width])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_package(
    folder: Path, name: str, recipe: Recipe, held_out: pl.DataFrame, constant: dict[str, int] | None = None
) -> Path:
    """A package whose documents are true of its model; some columns may be constant where it is trained."""
    folder.mkdir()
    schema = replace(SCHEMAS[name], features=recipe.features)
    task, train = task_of(schema), frame(name, 4_000, SEED["train"])
    train = train.with_columns(pl.lit(value).alias(column) for column, value in (constant or {}).items())
    onnx.save(graph_of(name, recipe), folder / MODEL_FILE)
    write_schema(folder, schema)
    scorer = Scorer.open(folder)
    asked, known = (rows.select(schema.names).to_numpy().astype(np.float32) for rows in (held_out, train))
    answer, target = scorer.score(asked), task.encode(held_out[schema.target].to_numpy())
    documents = {
        BASELINE_FILE: Baseline.build(schema, known, scorer.score(known)),
        EVALUATION_FILE: Evaluation(
            len(target), task.facts(target), estimates(task.prepare(target, answer), Bootstrap(100, 7))
        ),
        GOLDEN_FILE: Golden.build(schema, asked, answer, 1e-5),
        PROVENANCE_FILE: Provenance(
            git_commit="1f" * 20,
            job="polite_fox_1",
            created="2026-11-20T10:00:00+00:00",
            data=DataSource("late-payers", "1", "b" * 64),
            components={"train_model": "1.0.0"},
            environment=Software("3.11.9", "c" * 64, {}),
        ),
    }
    for file, document in documents.items():
        (folder / file).write_text(json.dumps(document.as_document()))
    return folder
