"""Baseline, quality and drift of columns of every kind, from collected lines as an endpoint writes them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_package.baseline import Baseline
from model_package.collected.folder import Collected, read_window
from model_package.collected.window import Window
from model_package.documents import Fields
from model_package.evaluation import Evaluation
from model_package.measures import Measure
from model_package.monitoring.drift import Sensitivity, feature_drift
from model_package.monitoring.findings import ColumnDrift
from model_package.monitoring.quality import column_quality, count_columns
from model_package.monitoring.reference import Reference
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.schema import Decision, Feature, Schema, Slice, Subgroup

SCHEMA = Schema(
    identifier="",
    target="left",
    features=(
        Feature("plan", "category", categories=("Basic", "Pro")),
        Feature("city", "category", categories=("Bonn", "Rome", "Oslo"), unknown="other", nullable=True),
        Feature("zone", "category", categories=(7, 12)),
        Feature("member", "boolean", nullable=True),
        Feature("seen", "timestamp"),
        Feature("note", "text", nullable=True),
        Feature("empty", "number", nullable=True),
    ),
    slices=(Slice("plan", "plan", (Subgroup("small", ("Basic",)), Subgroup("large", ("Pro",)))),),
    decision=Decision(0.5),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=2), NOON)
ROWS = 2_000


def rows(seed: int, **other: Any) -> list[dict[str, Any]]:
    """Rows as in training; `other` replaces a column's cells by one value."""
    random = np.random.default_rng(seed)
    drawn = [
        {
            "plan": str(random.choice(["Basic", "Pro"], p=[0.7, 0.3])),
            "city": random.choice(["Bonn", "Rome", "Oslo", "Lima", None], p=[0.4, 0.3, 0.2, 0.05, 0.05]),
            "zone": int(random.choice([7, 12])),
            "member": random.choice([True, False, None], p=[0.5, 0.4, 0.1]),
            "seen": (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=int(random.integers(0, 1000)))).isoformat(),
            "note": random.choice([None, "x" * int(random.integers(1, 50))], p=[0.2, 0.8]),
            "empty": None,
        }
        for _ in range(ROWS)
    ]
    return [row | other for row in drawn]


@pytest.fixture(scope="module")
def reference() -> Reference:
    tensors = request_tensors({"input_data": rows(1)}, RowRules(SCHEMA))
    baseline = Baseline.build(SCHEMA, tensors, np.full(ROWS, 0.5))
    evaluation = Evaluation(rows=ROWS, positive_rate=0.5, threshold=0.5, metrics={})
    return Reference(SCHEMA, Baseline.parse(Fields(through_json(baseline.as_document()), "baseline.json")), evaluation)


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def collected(folder: Path, asked: list[dict[str, Any]]) -> Collected:
    file = folder / "blue" / "model_inputs" / "2026/03/01/11" / "instance.jsonl"
    file.parent.mkdir(parents=True)
    identity = [{"correlation_id": f"r{at}", "row": 0, "time": "2026-03-01T11:30:00+00:00"} for at in range(len(asked))]
    data = [row | each for row, each in zip(asked, identity, strict=True)]
    file.write_text(json.dumps({"specversion": "1.0", "data": data}) + "\n")
    return read_window(folder, WINDOW, SCHEMA)


def measured(folder: Path, reference: Reference, **other: Any) -> tuple[dict[str, ColumnDrift], dict[str, Measure]]:
    found = collected(folder, rows(2, **other))
    columns = count_columns(reference, found)
    drift = feature_drift(reference, columns, Sensitivity(0.1, 0.01))
    return {each.name: each for each in drift}, column_quality(reference, columns, found)


def test_a_baseline_counts_labels_with_other_and_missing_and_survives_json(reference: Reference):
    city = reference.baseline.features["city"].as_document()

    assert (city["kind"], city["labels"], city["categories"]) == ("category", ["Bonn", "Rome", "Oslo"], [0, 1, 2])
    assert sum(city["counts"]) + city["other"] + city["missing"] == ROWS
    assert city["other"] == pytest.approx(ROWS * 0.05, rel=0.4)
    assert reference.baseline.features["member"].labels == ("false", "true")
    assert [reference.baseline.features[name].kind for name in ("seen", "note", "empty")] == [
        "timestamp",
        "text",
        "number",
    ]
    assert reference.baseline.features["empty"].missing == ROWS


def test_rows_like_those_of_training_have_not_drifted(tmp_path: Path, reference: Reference):
    drift, quality = measured(tmp_path, reference)

    assert [name for name, each in drift.items() if each.drifted] == []
    assert {name: measure.value for name, measure in quality.items() if name != "largest_missing_rise"} == {
        "missing_features": 0,
        "unknown_columns": 0,
        "constant_features": 0,
        "largest_out_of_range_share": 0,
        "largest_unknown_category_share": 0,
        "largest_unseen_category_share": 0,
    }


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("plan", "Pro"),
        ("city", "Paris"),
        ("city", None),
        ("zone", 12),
        ("member", False),
        ("seen", "2026-06-01T00:00:00"),
        ("note", "y" * 400),
        ("note", None),
        ("empty", 3.5),
    ],
)
def test_each_kind_drifts(tmp_path: Path, reference: Reference, name: str, cell: Any):
    drift, _ = measured(tmp_path, reference, **{name: cell})

    assert [each.name for each in drift.values() if each.drifted] == [name]


def test_a_histogram_speaks_the_callers_words(tmp_path: Path, reference: Reference):
    drift, _ = measured(tmp_path, reference)

    assert drift["city"].histogram.labels == ("Bonn", "Rome", "Oslo", "other")
    assert drift["city"].histogram.training[-1] == pytest.approx(0.05, abs=0.02)
    assert drift["member"].histogram.labels == ("false", "true", "other")
    assert drift["zone"].histogram.labels == ("7", "12", "other")
    assert drift["seen"].histogram.labels[1] == "2026-01-01"


def test_a_category_that_is_not_listed_is_unknown_and_not_missing(tmp_path: Path, reference: Reference):
    _, quality = measured(tmp_path, reference, plan="Gold")

    assert quality["largest_unknown_category_share"].value == 1
    assert quality["largest_missing_rise"].value < 0.05


def test_a_column_without_values_any_more_has_a_missing_rise(tmp_path: Path, reference: Reference):
    _, quality = measured(tmp_path, reference, member=None)

    assert quality["largest_missing_rise"].value == pytest.approx(0.9, abs=0.05)
    assert quality["constant_features"].details == ("member",)


def test_collected_values_are_those_that_slices_and_bins_know(tmp_path: Path):
    found = collected(tmp_path, [rows(3)[0] | {"plan": "Pro", "city": "Lima", "zone": 12, "note": "abc"}])

    values = {name: float(found.column(name)[0]) for name in ("plan", "city", "zone", "note")}
    assert values == {"plan": 1, "city": 3, "zone": 1, "note": 3}
    assert SCHEMA.slice("plan").membership(found.column("plan")).tolist() == [[False, True]]
