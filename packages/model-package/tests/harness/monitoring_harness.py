"""A small model, its package on paper, and windows of traffic on it: like training, or with something injected.

`harmless` matters to nobody, `income` to the model most. Everything is drawn from a seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from model_package.baseline import Baseline
from model_package.collected.folder import Collected
from model_package.collected.labels import Labels
from model_package.collected.lines import Found
from model_package.collected.rows import row_keys
from model_package.collected.window import Window
from model_package.evaluation import Evaluation, SubgroupEvaluation
from model_package.monitoring.drift import Sensitivity
from model_package.monitoring.measuring import Settings
from model_package.monitoring.reference import Reference
from model_package.rows.collected_columns import INPUTS, OUTCOME, OUTPUTS
from model_package.schema import Decision, Feature, Schema, Slice, Subgroup
from model_package.statistics.bootstrap import Bootstrap, estimates, point_values
from model_package.tasks import task_of

THRESHOLD = 0.35
SCHEMA = Schema(
    identifier="id",
    target="default",
    features=(
        Feature("income", "number"),
        Feature("age", minimum=18, maximum=120),
        Feature("kind", categories=(1, 2, 3)),
        Feature("sex", categories=(1, 2)),
        Feature("harmless", "number"),
    ),
    slices=(Slice("sex", "sex", (Subgroup("male", categories=(1,)), Subgroup("female", categories=(2,)))),),
    decision=Decision(THRESHOLD),
)
TRAINING_ROWS = 20_000
VERSION = "3"
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(UNTIL - timedelta(hours=24), UNTIL)
SETTINGS = Settings(
    model_version=VERSION,
    min_rows=500,
    min_labels=300,
    min_slice_rows=100,
    sensitivity=Sensitivity(psi_threshold=0.1, false_discovery_rate=0.01),
    bootstrap=Bootstrap(rounds=200, seed=7),
)


@dataclass(frozen=True)
class Rows:
    """What callers asked, float32 [rows, features], and what became true of each, 0 or 1 [rows]."""

    features: np.ndarray
    target: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """What the model answers."""
        return model(self.features)

    def with_column(self, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Rows:
        """The same rows, one column changed; what is true of them stays."""
        features = self.features.copy()
        at = SCHEMA.names.index(name)
        features[:, at] = change(features[:, at])
        return replace(self, features=features)


def model(features: np.ndarray) -> np.ndarray:
    """The released model: knows income, age and kind."""
    income, age, kind = features[:, 0], features[:, 1], features[:, 2]
    score = -0.4 - 1.1 * income + 0.04 * (age - 45) + 0.5 * (kind == 3)
    return (1 / (1 + np.exp(-score))).astype(np.float32)


def draw(rows: int, seed: int) -> Rows:
    """Rows as in training."""
    random = np.random.default_rng(seed)
    columns = [
        random.normal(size=rows),
        np.round(np.clip(random.normal(45, 12, rows), 18, 90)),
        random.choice([1, 2, 3], rows, p=[0.6, 0.3, 0.1]),
        random.integers(1, 3, rows),
        random.exponential(size=rows),
    ]
    features = np.stack(columns, axis=1).astype(np.float32)
    return Rows(features, (random.random(rows) < model(features)).astype(np.int8))


def make_reference() -> Reference:
    """The package's documents, as the steps write them."""
    training, test = draw(TRAINING_ROWS, 1), draw(TRAINING_ROWS // 2, 2)
    evaluation = Evaluation(
        rows=len(test.target),
        facts=task_of(SCHEMA).facts(test.target),
        metrics=estimates(task_of(SCHEMA).prepare(test.target, test.probability), Bootstrap(rounds=100, seed=3)),
        importance=importance(test),
        slices={"sex": {each.label: evaluated(test, each) for each in SCHEMA.slice("sex").subgroups}},
    )
    baseline = Baseline.build(SCHEMA, training.features, training.probability)
    return Reference(SCHEMA, baseline, evaluation)


def roc_auc(target: np.ndarray, probability: np.ndarray) -> float:
    return point_values(task_of(SCHEMA).prepare(target, probability, bins=1))["roc_auc"]


def importance(test: Rows) -> dict[str, float]:
    """The fall of ROC AUC when a column is shuffled."""
    whole, random = roc_auc(test.target, test.probability), np.random.default_rng(5)
    return {
        name: whole - roc_auc(test.target, test.with_column(name, random.permutation).probability)
        for name in SCHEMA.names
    }


def evaluated(test: Rows, subgroup: Subgroup) -> SubgroupEvaluation:
    """A subgroup as the evaluation has it."""
    inside = subgroup.contains(test.features[:, 3])
    target, probability = test.target[inside], test.probability[inside]
    task = task_of(SCHEMA)
    found = estimates(task.prepare(target, probability), Bootstrap(rounds=50, seed=3))
    return SubgroupEvaluation(int(inside.sum()), task.subgroup_facts(target, probability), found)


def collected(rows: Rows) -> Collected:
    """Rows as reading gives them."""
    table = pl.DataFrame(rows.features, schema=list(SCHEMA.names), nan_to_null=True)
    answers = pl.DataFrame(
        {
            "probability": rows.probability,
            "decision": (rows.probability >= THRESHOLD).astype(np.int8),
            "model_version": [VERSION] * len(rows.target),
        }
    )
    keys = identities(rows).select(row_keys())
    return Collected(
        pl.concat([table, answers, keys], how="horizontal"), Found(files=1, seen_columns=set(SCHEMA.names))
    )


def labels(rows: Rows) -> Labels:
    """What became true of every row."""
    return Labels(identities(rows).with_columns(pl.Series(OUTCOME, rows.target)), rows=len(rows.target))


def identities(rows: Rows) -> pl.DataFrame:
    """The request of each row."""
    count = len(rows.target)
    ids = pl.Series("correlation_id", [f"r{number}" for number in range(count)], pl.String)
    return pl.DataFrame([ids, pl.Series("row", [0] * count, pl.Int64)])


def store(folder: Path, rows: Rows, deployment: str = "blue", moment: datetime = UNTIL - timedelta(hours=3)) -> None:
    """Write rows as Azure's collector does, a request a row, at a moment."""
    below = f"{moment:%Y/%m/%d/%H}"
    for name, line in ((INPUTS, _input_rows(rows)), (OUTPUTS, _output_rows(rows))):
        place = folder / deployment / name / below
        place.mkdir(parents=True, exist_ok=True)
        data = [each | {"correlation_id": f"r{at}", "row": 0, "time": moment.isoformat(timespec="milliseconds")}
                for at, each in enumerate(line)]  # fmt: skip
        lines = [json.dumps({"specversion": "1.0", "data": data[at : at + 200]}) for at in range(0, len(data), 200)]
        (place / "instance.jsonl").write_text("\n".join(lines) + "\n")


def _input_rows(rows: Rows) -> list[dict]:
    return [dict(zip(SCHEMA.names, map(float, row), strict=True)) for row in rows.features]


def _output_rows(rows: Rows) -> list[dict]:
    return [
        {"probability": float(value), "decision": int(value >= THRESHOLD), "model_version": VERSION}
        for value in rows.probability
    ]
