"""Small real model packages (logistic regressions in ONNX) with all that gates read, and rows to judge on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score, roc_curve

from mlops.gates.evidence import Candidate, Proposal
from mlops.gates.report import GateReport, run_gates
from mlops.settings.gates import GatesFile, read_gates
from mlops.settings.releases import Release
from mlops.settings.stages import StageOrder
from model_package.package import package_digest
from model_package.schema import Feature, Schema, Slice, Subgroup

ORDER = StageOrder(("dev", "staging", "prod"))

COMMIT = "1f" * 20
SHA256 = "b" * 64
FEATURES: list[dict[str, Any]] = [
    {"name": "age", "type": "integer", "minimum": 18, "maximum": 90, "categories": None},
    {"name": "income", "type": "number", "minimum": 0, "maximum": None, "categories": None},
    {"name": "kind", "type": "integer", "minimum": None, "maximum": None, "categories": [1, 2, 3]},
]
TRUE_WEIGHTS = (0.05, -1.2, 0.0)
BIAS = -1.5
THRESHOLD = 0.3
SLOW_WIDTH = 384

KINDS = {"first": 1, "second": 2, "third": 3}
SCHEMA = Schema(
    identifier="id",
    target="late",
    features=(Feature("kind", categories=(1, 2, 3)),),
    slices=(Slice("kind", "kind", tuple(Subgroup(label, (code,)) for label, code in KINDS.items())),),
)
GATES = """
format: 1
bootstrap: {rounds: 200, confidence: 0.95, seed: 7}
calibration_bins: 10
latency_calls: 100
recent_days: 7
recent_rows: 500
min_slice_size: {rows: 100, positives: 20}
slices: [kind]
rules:
  - {measure: roc_auc, min: 0.7, max_drop: 0.02}
  - {measure: average_precision, min: 0.3, max_drop: 0.06}
  - {measure: ks, min: 0.3, max_drop: 0.08}
  - {measure: f1, min: 0.3, max_drop: 0.08}
  - {measure: brier, max: 0.2, max_rise: 0.02}
  - {measure: calibration_error, max: 0.06, max_rise: 0.05}
  - {measure: selection_rate_difference.kind, max: 0.15, max_rise: 0.15}
  - {measure: true_positive_rate_difference.kind, max: 0.2, max_rise: 0.3}
  - {measure: recorded_difference, max: 0.001}
  - {measure: golden_difference, max: 0.00001}
  - {measure: golden_decision_changes, max: 0}
  - {measure: largest_feature_drift, max: 0.25, missing: pass}
  - {measure: score_drift, max: 0.25, missing: pass}
  - {measure: latency_p50_milliseconds, max: 50, max_ratio: 50}
  - {measure: latency_p99_milliseconds, max: 200}
  - {measure: package_megabytes, max: 0.5, max_ratio: 10}
  - {measure: schema_breaks, max: 0}
  - {measure: provenance_gaps, max: 0}
  - {measure: digest_differences, max: 0}
"""


def rows_of(count: int, seed: int) -> pl.DataFrame:
    """Rows whose target follows TRUE_WEIGHTS; `kind` says nothing about it."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, count)
    income = random.exponential(1.0, count)
    log_odds = np.stack([age, income], axis=1) @ np.array(TRUE_WEIGHTS[:2]) + BIAS
    late = random.random(count) < 1 / (1 + np.exp(-log_odds))
    kind = random.integers(1, 4, count)
    return pl.DataFrame({"age": age, "income": income, "kind": kind, "late": late.astype(np.int8)})


def graph_of(weights: tuple[float, ...], bias: float, slow_layers: int) -> onnx.ModelProto:
    """features [rows, n] → probability [rows, 1]; `slow_layers` products that change nothing but time."""
    constants = {
        "weights": np.array(weights, dtype=np.float32)[:, None],
        "bias": np.array([bias], dtype=np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["log_odds"]),
    ]
    last = "log_odds"
    if slow_layers:
        constants |= {
            "widen": np.eye(1, SLOW_WIDTH, dtype=np.float32),
            "same": np.eye(SLOW_WIDTH, dtype=np.float32),
            "narrow": np.eye(SLOW_WIDTH, 1, dtype=np.float32),
        }
        names = ["log_odds", "widened", *(f"layer{index}" for index in range(slow_layers)), "narrowed"]
        factors = ["widen", *["same"] * slow_layers, "narrow"]
        for source, factor, result in zip(names, factors, names[1:], strict=False):
            nodes.append(helper.make_node("MatMul", [source, factor], [result]))
        last = "narrowed"
    nodes.append(helper.make_node("Sigmoid", [last], ["probability"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(weights)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@dataclass(frozen=True)
class Recipe:
    """How to make a package; the defaults are the best model there can be."""

    weights: tuple[float, ...] = TRUE_WEIGHTS
    bias: float = BIAS
    features: list[dict[str, Any]] = field(default_factory=lambda: FEATURES)
    slow_layers: int = 0
    version: str = "2"


@dataclass(frozen=True)
class World:
    """A place for packages, and held-out rows."""

    folder: Path
    held_out: pl.DataFrame

    def candidate(self, name: str, recipe: Recipe) -> Candidate:
        """Make a package and the release that promises it."""
        package = self.folder / name
        write_package(package, recipe, self.held_out)
        return self.promised(package, recipe.version)

    def promised(self, package: Path, version: str = "2", **source: Any) -> Candidate:
        """A release of the bytes that the package has now."""
        facts = {
            "stage": "dev",
            "job": "polite_fox_1",
            "git_commit": COMMIT,
            "data": {"name": "late-payers", "version": "1", "sha256": SHA256},
        }
        model = {"name": "late-payers", "version": version, "digest": package_digest(package)}
        return Candidate(package, Release.model_validate({"model": model, "source": facts | source}))

    def champion(self) -> Candidate:
        """A model a little worse than the best."""
        return self.candidate("champion", Recipe(weights=(0.045, -1.1, 0.02), version="1"))

    def proposal(self, recipe: Recipe | None = None) -> Proposal:
        """A challenger against the champion, with recent inputs like the training data."""
        challenger = self.candidate("challenger", recipe or Recipe())
        recent = rows_of(2_000, seed=3)
        return Proposal("staging", challenger, self.champion(), self.held_out, recent)

    def run(self, proposal: Proposal, gates: str = GATES) -> GateReport:
        """Run the gates of the test, whose rules hold at every stage."""
        return run_gates(proposal, parsed(gates))


@cache
def parsed(gates: str) -> GatesFile:
    """Read gates once for all tests: reading YAML costs more than judging."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "gates.yml")
        file.write_text(full_rules(gates))
        return read_gates(file, ORDER, SCHEMA)


def full_rules(gates: str) -> str:
    """Expand rules in the short form above, one per line, to those of gates.yml."""
    lines = []
    for line in gates.splitlines():
        if line.startswith("  - {measure: "):
            measure, _, rest = line.removeprefix("  - {").removesuffix("}").partition(", ")
            bounds = [each for each in rest.split(", ") if not each.startswith(("missing", "no_champion"))]
            policies = [each for each in rest.split(", ") if each.startswith("missing")]
            keys = [measure, "why: a test", "no_champion: pass", *policies]
            lines.append(f"  - {{{', '.join(keys)}, every_stage: {{{', '.join(bounds)}}}}}")
        else:
            lines.append(line)
    return "\n".join(lines)


def write_package(folder: Path, recipe: Recipe, rows: pl.DataFrame) -> None:
    """Write a package whose documents are true of its model on these rows."""
    folder.mkdir()
    onnx.save(graph_of(recipe.weights, recipe.bias, recipe.slow_layers), folder / "model.onnx")
    names = [feature["name"] for feature in recipe.features]
    write(
        folder / "schema.json",
        {
            "format": 1,
            "id": "id",
            "target": "late",
            "features": recipe.features,
            "decision": {"threshold": THRESHOLD, "chosen_by": "hand"},
        },
    )
    train = rows_of(4_000, seed=1).with_columns(extra=pl.lit(0.0))
    write(folder / "baseline.json", baseline(train, recipe, names))
    probability = answers(rows.with_columns(extra=pl.lit(0.0)), recipe, names)
    write(folder / "evaluation.json", evaluation(rows["late"].to_numpy(), probability))
    write(folder / "golden.json", golden(rows.with_columns(extra=pl.lit(0.0)).select(names), probability))
    write(
        folder / "provenance.json",
        {
            "git_commit": COMMIT,
            "data": {"name": "late-payers", "version": "1", "sha256": SHA256},
            "job": "polite_fox_1",
            "components": {"train_model": "1.0.0"},
            "environment": {"lock_sha256": "c" * 64},
            "created": "2026-11-20T10:00:00+00:00",
        },
    )


def answers(rows: pl.DataFrame, recipe: Recipe, names: list[str]) -> npt.NDArray[np.float64]:
    features = rows.select(names).to_numpy().astype(np.float32)
    log_odds = features @ np.array(recipe.weights, dtype=np.float32) + np.float32(recipe.bias)
    return (1 / (1 + np.exp(-log_odds))).astype(np.float64)


def baseline(train: pl.DataFrame, recipe: Recipe, names: list[str]) -> dict[str, Any]:
    features: dict[str, Any] = {}
    for name in names:
        values = train[name].to_numpy()
        if name == "kind":
            counts = [int((values == code).sum()) for code in (1, 2, 3)]
            features[name] = {"kind": "category", "categories": [1, 2, 3], "counts": counts} | moments(values)
        else:
            edges = np.unique(np.quantile(values, np.linspace(0, 1, 21)))
            edges = edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])
            counts = np.histogram(values, edges)[0].tolist()
            features[name] = {"kind": "number", "edges": edges.tolist(), "counts": counts} | moments(values)
    scores = answers(train, recipe, names)
    edges = np.linspace(0, 1, 21)
    histogram = {"edges": edges.tolist(), "counts": np.histogram(scores, edges)[0].tolist()}
    return {"format": 1, "rows": train.height, "features": features, "probability": histogram | moments(scores)}


def moments(values: npt.NDArray[Any]) -> dict[str, float]:
    found = {"mean": values.mean(), "std": values.std(), "minimum": values.min(), "maximum": values.max()}
    return {name: float(value) for name, value in found.items()}


def evaluation(target: npt.NDArray[Any], probability: npt.NDArray[np.float64]) -> dict[str, Any]:
    fall_out, recall, _ = roc_curve(target, probability)
    metrics = {
        "roc_auc": roc_auc_score(target, probability),
        "average_precision": average_precision_score(target, probability),
        "brier": brier_score_loss(target, probability),
        "ks": np.abs(recall - fall_out).max(),
        "f1": f1_score(target, probability >= THRESHOLD),
    }
    return {
        "rows": len(target),
        "positive_rate": float(target.mean()),
        "threshold": THRESHOLD,
        "metrics": {name: {"value": float(value)} for name, value in metrics.items()},
    }


def golden(rows: pl.DataFrame, probability: npt.NDArray[np.float64]) -> dict[str, Any]:
    cases = [(0, 1), (1, 6)]
    return {
        "tolerance": 1e-5,
        "cases": [
            {
                "request": {"input_data": rows[start:end].to_dicts()},
                "probability": probability[start:end].tolist(),
                "decision": (probability[start:end] >= THRESHOLD).astype(int).tolist(),
            }
            for start, end in cases
        ],
    }


def write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document))


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one document of a package."""
    document = json.loads(file.read_text())
    change(document)
    write(file, document)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, rows_of(2_500, seed=2))


@pytest.fixture(scope="session")
def recipe() -> type[Recipe]:
    return Recipe


@pytest.fixture(scope="session")
def edit_document() -> Callable[[Path, Callable[[dict[str, Any]], None]], None]:
    return edit


@pytest.fixture(scope="session")
def gates_text() -> str:
    return GATES


@pytest.fixture
def repromise(world: World) -> Callable[[Proposal], Proposal]:
    """Promise the challenger's bytes as they are now, so that only what was changed on purpose is wrong."""
    return lambda proposal: replace(proposal, challenger=world.promised(proposal.challenger.folder))
