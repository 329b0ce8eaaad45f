"""For regression and multiclass: every gate of the catalogue passes a good model, and blocks a planted bad one alone.

test_every_gate.py does the same for binary classification. All documents are true of their model, unless they are what
is planted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlops.gates.evidence import Proposal
from mlops.gates.plots import draw_plots
from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport, run_gates
from mlops.settings.gates import GatesFile, catalogue_of, read_gates
from mlops.settings.stages import StageOrder
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
from model_package.schema import Feature, Schema, Slice, Subgroup
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import TASKS, Task, task_of

ORDER = StageOrder(("dev", "staging", "prod"))
KINDS = tuple(Subgroup(str(code), (code,)) for code in (1, 2, 3))
FEATURES = (
    Feature("age", minimum=18, maximum=90),
    Feature("income", "number", minimum=0),
    Feature("kind", categories=(1, 2, 3)),
)
REGRESSION = Schema("id", "price", FEATURES, (Slice("kind", "kind", KINDS),), task="regression")
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
    "regression": Recipe(((2.0,), (-30.0,), (0.0,)), (100.0,)),
    "multiclass_classification": Recipe(((0.06, 0.0, -0.06), (0.0, 1.5, -1.5), (0.0, 0.0, 0.0)), (-3.0, 0.0, 3.0)),
}
SCHEMAS = {each.task: each for each in (REGRESSION, MULTICLASS)}


def frame(name: str, count: int, seed: int) -> pl.DataFrame:
    """Rows whose target follows the best model; `kind` says nothing about it."""
    random, schema = np.random.default_rng(seed), SCHEMAS[name]
    columns = [random.integers(18, 80, count), random.exponential(1.0, count), random.integers(1, 4, count)]
    raw = BEST[name].raw(np.stack(columns, axis=1))
    if name == "regression":
        target: Any = raw[:, 0] + 5 * random.normal(size=count)
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
    nodes.append(helper.make_node("Softmax" if width > 1 else "Identity", [last], [output]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", width])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_package(folder: Path, name: str, recipe: Recipe, held_out: pl.DataFrame) -> Path:
    """A package whose documents are true of its model."""
    folder.mkdir()
    schema = replace(SCHEMAS[name], features=recipe.features)
    task, train = task_of(schema), frame(name, 4_000, SEED["train"])
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


Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Bad:
    """What is planted: another model, changed documents or inputs; and the bounds that the good model keeps."""

    bounds: str
    model: Recipe | None = None
    documents: dict[str, Change] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)
    padding: int = 0
    repromised: bool = True
    # What such a fault cannot leave untouched.
    also: tuple[str, ...] = ()


def put(*path: str | int, value: Any) -> Change:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def reverse_counts(key: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        counts = document[key]["counts"]
        document[key]["counts"] = [sum(counts) - sum(counts[1:]) // 10, *(each // 10 for each in counts[1:])]

    return change


def of_every_task(name: str) -> dict[str, Bad]:
    """The gates that look at the package, and not at how good the model is."""
    best, task = BEST[name], TASKS[name]
    narrower = replace(best, features=(Feature("age", minimum=18, maximum=85), *FEATURES[1:]))
    slow, slower = replace(best, slow_layers=30), replace(best, slow_layers=600)
    metric = put("metrics", task.metrics[0].name, "value", value=123.0)
    wrong = [1e9] if name == "regression" else [{"low": 1.0, "mid": 0.0, "high": 0.0}]
    return {
        "recorded_difference": Bad("max: 0.001", documents={EVALUATION_FILE: metric}),
        "golden_difference": Bad("max: 0.00001", documents={GOLDEN_FILE: put("cases", 0, task.output, value=wrong)}),
        "largest_feature_drift": Bad("max: 0.25", recent={"kind": 3}),
        "score_drift": Bad("max: 0.25", documents={BASELINE_FILE: reverse_counts(task.represented_as)}),
        "latency_p50_milliseconds": Bad("max_ratio: 5", model=slow, also=("package_megabytes",)),
        "latency_p99_milliseconds": Bad("max: 2", model=slower, also=("latency_p50_milliseconds", "package_megabytes")),
        "package_megabytes": Bad("max_ratio: 10", padding=2_000_000),
        "schema_breaks": Bad("max: 0", model=narrower),
        "provenance_gaps": Bad("max: 0", documents={PROVENANCE_FILE: put("git_commit", value="unknown")}),
        "digest_differences": Bad("max: 0", padding=1, repromised=False),
    }


BEST_CLASSES = BEST["multiclass_classification"]
SHIFTED = replace(BEST["regression"], bias=(104.2,))
WORSE = Recipe(((1.6,), (-24.0,), (0.0,)), (115.0,))
BY_KIND = Recipe(((2.0,), (-30.0,), (2.0,)), (96.0,))
OVERCONFIDENT = replace(BEST_CLASSES, scale=4.0)
GUESSING = Recipe(((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, -0.5, 0.2)), (0.0, 0.0, 0.0))
LABELS_BY_KIND = replace(
    BEST_CLASSES, weights=((0.06, 0.0, -0.06), (0.0, 1.5, -1.5), (4.0, 0.0, -4.0)), bias=(-11.0, 0.0, 11.0)
)

WORSE_MODELS = (SHIFTED, WORSE, BY_KIND, OVERCONFIDENT, GUESSING, LABELS_BY_KIND)

CASES: dict[str, dict[str, Bad]] = {
    "regression": {
        "root_mean_squared_error": Bad("max: 7, max_rise: 2", model=WORSE),
        "mean_absolute_error": Bad("max: 4.8, max_rise: 0.5", model=SHIFTED),
        "r2": Bad("min: 0.95, max_drop: 0.02", model=WORSE),
        "mean_absolute_percentage_error": Bad("max: 0.06, max_rise: 0.03", model=WORSE),
        "bias_difference.kind": Bad("max: 2.5, max_rise: 2.5", model=BY_KIND),
        **of_every_task("regression"),
    },
    "multiclass_classification": {
        "log_loss": Bad("max: 1.0, max_rise: 0.02", model=OVERCONFIDENT),
        "accuracy": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "balanced_accuracy": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "f1_macro": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "roc_auc_ovr": Bad("min: 0.7, max_drop: 0.03", model=GUESSING),
        "calibration_error": Bad("max: 0.05", model=OVERCONFIDENT),
        "recall_difference.kind": Bad("max: 0.15, max_rise: 0.15", model=LABELS_BY_KIND),
        "golden_decision_changes": Bad("max: 0", documents={GOLDEN_FILE: put("cases", 0, "label", value=["none"])}),
        **of_every_task("multiclass_classification"),
    },
}
ALL = [(name, measure) for name, cases in CASES.items() for measure in cases]
HEAD = """\
format: 1
bootstrap: {rounds: 200, confidence: 0.95, seed: 7}
calibration_bins: 10
latency_calls: 100
recent_rows: 500
recent_days: 7
min_slice_size: {rows: 100}
slices: [kind]
rules:
"""


def gates(folder: Path, name: str, rules: dict[str, str]) -> GatesFile:
    """gates.yml with bounds by measure."""
    lines = [
        f"  - {{measure: {measure}, why: a test, no_champion: pass, every_stage: {{{bounds}}}}}\n"
        for measure, bounds in rules.items()
    ]
    file = folder / "gates.yml"
    file.write_text(HEAD + "".join(lines))
    return read_gates(file, ORDER, SCHEMAS[name])


def proposed(world: Any, name: str, bad: Bad) -> Proposal:
    """A challenger, with what is planted, against a champion that is the best model."""
    held_out = frame(name, 2_000, SEED["held_out"])
    write_package(world.folder / "champion", name, BEST[name], held_out)
    folder = write_package(world.folder / "challenger", name, bad.model or BEST[name], held_out)
    challenger = world.promised(folder)
    for file, change in bad.documents.items():
        document = json.loads((folder / file).read_text())
        change(document)
        (folder / file).write_text(json.dumps(document))
    if bad.padding:
        (folder / "notes.txt").write_bytes(bytes(bad.padding))
    if bad.repromised:
        challenger = world.promised(folder)
    recent = frame(name, 1_500, SEED["recent"])
    champion = world.promised(world.folder / "champion", "1")
    recent = recent.with_columns(pl.lit(value).alias(column) for column, value in bad.recent.items())
    return Proposal("staging", challenger, champion, held_out, recent)


def blocked(report: GateReport) -> set[str]:
    return {each.rule.measure for each in report.verdict.blocking}


@pytest.mark.parametrize("name", CASES)
def test_every_measure_of_the_catalogue_has_a_case(name: str) -> None:
    assert set(CASES[name]) == set(catalogue_of(TASKS[name]).known(("kind",)))


@pytest.mark.parametrize("name", CASES)
def test_a_good_challenger_passes_every_gate_and_is_reported(name: str, world: Any) -> None:
    rules = {measure: bad.bounds for measure, bad in CASES[name].items()}

    report = run_gates(proposed(world, name, Bad("")), gates(world.folder, name, rules))

    assert {each.rule.measure: each.sentence for each in report.verdict.blocking} == {}
    task: type[Task] = TASKS[name]
    assert {chart.title for chart in task.charts} <= set(draw_plots(report))
    assert task.slice_metrics[0].explained in markdown_report(report)
    assert "<svg" in html_report(report)
    json.dumps(report.document(), allow_nan=False)


@pytest.mark.parametrize(("name", "measure"), ALL, ids=[f"{name}-{measure}" for name, measure in ALL])
def test_the_gate_blocks_and_no_other_one(name: str, measure: str, world: Any) -> None:
    # given a challenger that is bad in one way
    bad = CASES[name][measure]
    # and the rules of a stage; a model that predicts worse does so by more than one metric, of which one is judged here
    worse = {each for each, case in CASES[name].items() if bad.model in WORSE_MODELS and case.model in WORSE_MODELS}
    rules = {each: case.bounds for each, case in CASES[name].items() if each == measure or each not in worse}

    # when its gates are run
    report = run_gates(proposed(world, name, bad), gates(world.folder, name, rules))

    # then this gate blocks, and no other one
    assert blocked(report) == {measure, *bad.also}


def test_a_model_of_another_task_breaks_the_callers_and_is_not_compared(world: Any) -> None:
    # given a champion of another task
    proposal = proposed(world, "regression", Bad(""))
    held_out = frame("multiclass_classification", 500, 1)
    folder = write_package(
        world.folder / "other", "multiclass_classification", BEST["multiclass_classification"], held_out
    )
    proposal = replace(proposal, champion=world.promised(folder, "1"))

    report = run_gates(proposal, gates(world.folder, "regression", {"schema_breaks": "max: 0", "r2": "max_drop: 0.1"}))

    assert blocked(report) == {"schema_breaks", "r2"}
    sentences = " ".join(each.sentence for each in report.verdict.blocking)
    assert "is a regression, not a multiclass_classification" in sentences
    assert "the champion's task is multiclass_classification" in sentences
