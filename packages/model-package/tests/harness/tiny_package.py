"""A tiny real model package: three features, a logistic regression as an ONNX graph, and every document."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_package.baseline import Baseline
from model_package.evaluation import Evaluation
from model_package.golden import Golden
from model_package.package import MODEL_FILE, ModelPackage
from model_package.provenance import DataSource, Provenance, Software
from model_package.schema import Decision, Feature, Schema, Slice, Subgroup
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import task_of

THRESHOLD = 0.4
SCHEMA = Schema(
    identifier="id",
    target="late",
    features=(
        Feature("age", minimum=18, maximum=100, description="years"),
        Feature("income", "number", minimum=0),
        Feature("kind", categories=(1, 2, 4)),
    ),
    slices=(
        Slice("kind", "kind", (Subgroup("first", categories=(1,)), Subgroup("others", categories=(2, 4)))),
        Slice("age", "age", (Subgroup("18 to 49", limits=(18, 49)), Subgroup("50 and older", limits=(50, 100)))),
    ),
    decision=Decision(THRESHOLD, "hand"),
)
WEIGHTS = np.array([[0.02], [-0.0001], [0.3]], dtype=np.float32)
BIAS = np.array([-1.0], dtype=np.float32)
ROWS = 400


def expected(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """What the tiny model must answer, computed without ONNX."""
    return 1 / (1 + np.exp(-(features.astype(np.float64) @ WEIGHTS + BIAS)))[:, 0]


def rows(count: int = ROWS, seed: int = 1) -> npt.NDArray[np.float32]:
    """Rows that the schema allows, float32 [rows, 3]."""
    random = np.random.default_rng(seed)
    columns = [random.integers(18, 101, count), random.uniform(0, 9_000, count), random.choice([1, 2, 4], count)]
    return np.stack(columns, axis=1).astype(np.float32)


def write_graph(file: Path, width: int = 3, output: str = "probability", scale: float = 1.0) -> None:
    """Write the graph, or one that breaks the contract."""
    constants = {"weights": np.resize(WEIGHTS, (width, 1)), "bias": BIAS, "scale": np.array([scale], np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "bias"], ["score"]),
            helper.make_node("Sigmoid", ["score"], ["unscaled"]),
            helper.make_node("Mul", ["unscaled", "scale"], [output]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


def documents() -> ModelPackage:
    """Every document of the package."""
    features = rows()
    probability = expected(features)
    target = (np.random.default_rng(2).random(ROWS) < probability).astype(np.int8)
    return ModelPackage(
        schema=SCHEMA,
        baseline=Baseline.build(SCHEMA, features, probability),
        evaluation=Evaluation(
            rows=ROWS,
            facts=task_of(SCHEMA).facts(target),
            metrics=estimates(task_of(SCHEMA).prepare(target, probability), Bootstrap(rounds=50, seed=3)),
            importance={"age": 0.1, "income": 0.2, "kind": 0.0},
        ),
        golden=Golden.build(SCHEMA, features, probability, tolerance=1e-6),
        provenance=Provenance(
            git_commit="1f" * 20,
            job="polite_fox",
            created="2026-03-01T00:00:00+00:00",
            data=DataSource("payers", "1", "b" * 64),
            components={"train_model": "1.0.0"},
            environment=Software("3.11.9", "c" * 64, {"numpy": "2.4"}),
        ),
    )


def write_package(folder: Path) -> Path:
    """Write the whole package into a new folder."""
    folder.mkdir(parents=True)
    write_graph(folder / MODEL_FILE)
    documents().write(folder)
    return folder
