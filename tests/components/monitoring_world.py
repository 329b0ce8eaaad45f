"""A small model, its package on paper, and windows of traffic on it: like training, or with something planted.

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
from baseline import build_baseline
from collected import INPUTS, OUTPUTS, Collected, Found, Window, row_keys
from drift import Sensitivity
from labels import Labels
from measuring import Settings
from package import Feature as PackageFeature
from package import Package

from shared.metrics import intervals, roc_auc
from shared.schema import Band, Feature, Group, Schema

ROOT = Path(__file__).parents[2]
SCHEMA = Schema(
    identifier="id",
    target="default",
    features=(
        Feature("income", "", type="number"),
        Feature("age", "", minimum=18, maximum=120),
        Feature("kind", "", categories=(1, 2, 3), nominal=True),
        Feature("sex", "", categories=(1, 2), nominal=True),
        Feature("harmless", "", type="number"),
    ),
    groups=(Group("sex", "sex", (Band("male", 1, 1), Band("female", 2, 2))),),
)
THRESHOLD = 0.35
TRAINING_ROWS = 20_000
VERSION = "3"
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(UNTIL - timedelta(hours=24), UNTIL)
SETTINGS = Settings(
    model_version=VERSION,
    fewest_rows=500,
    fewest_labels=300,
    smallest_band=100,
    sensitivity=Sensitivity(index=0.1, false_discoveries=0.01),
    resamples=200,
    seed=7,
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


def make_package() -> Package:
    """The package's documents, as package_model and evaluate_model write them."""
    training, test = draw(TRAINING_ROWS, 1), draw(TRAINING_ROWS // 2, 2)
    baseline = build_baseline(training.features, training.probability, SCHEMA)
    probability = test.probability
    evaluation = {
        "metrics": intervals(test.target, probability, THRESHOLD, 100, 3),
        "importance": importance(test),
        "groups": {"sex": {band.label: evaluated(test, band) for band in SCHEMA.groups[0].bands}},
    }
    features = tuple(PackageFeature(each.name, each.minimum, each.maximum, each.categories) for each in SCHEMA.features)
    return Package(SCHEMA.target, features, THRESHOLD, baseline, evaluation)


def importance(test: Rows) -> dict[str, float]:
    """The fall of ROC AUC when a column is shuffled."""
    whole, random = roc_auc(test.target, test.probability), np.random.default_rng(5)
    return {
        name: whole - roc_auc(test.target, test.with_column(name, random.permutation).probability)
        for name in SCHEMA.names
    }


def evaluated(test: Rows, band: Band) -> dict:
    """A band as evaluation.json has it."""
    inside = test.features[:, 3] == band.low
    target, probability = test.target[inside], test.probability[inside]
    metrics = intervals(target, probability, THRESHOLD, 50, 3)
    return {"rows": int(inside.sum()), "positive_rate": float(target.mean()), "metrics": metrics}


def collected(rows: Rows) -> Collected:
    """Rows as reading gives them."""
    count = len(rows.target)
    identity = pl.DataFrame({"correlation_id": [f"r{number}" for number in range(count)], "row": [0] * count})
    table = pl.DataFrame(rows.features, schema=SCHEMA.names, nan_to_null=True)
    answers = pl.DataFrame(
        {
            "probability": rows.probability,
            "decision": (rows.probability >= THRESHOLD).astype(np.int8),
            "model_version": [VERSION] * count,
        }
    )
    frame = pl.concat([table, identity.select(row_keys()), answers], how="horizontal")
    return Collected(frame, Found(files=1, seen_columns=set(SCHEMA.names)))


def labels(rows: Rows) -> Labels:
    """What became true of every row."""
    count = len(rows.target)
    keys = pl.DataFrame({"correlation_id": [f"r{number}" for number in range(count)], "row": [0] * count})
    return Labels(keys.select(row_keys()).with_columns(pl.Series(SCHEMA.target, rows.target)), rows=count)


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
