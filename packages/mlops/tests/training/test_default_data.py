"""Where the rows come from when nobody names a file, and what synthetic ones are like."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mlops.settings.gates import with_featureless_bounds
from mlops.settings.project import load_project
from mlops.training.submission import default_data
from model_package.rows.split import encode_target
from model_package.rows.tables import tensors
from model_package.schema import Feature, Schema
from model_package.steps.featureless import featureless_metrics
from model_package.steps.synthetic_rows import csv_of, synthetic_rows
from model_package.tasks import TASKS

ROOT = Path(__file__).parents[4]
FEATURES = (
    Feature("plan", "category", categories=("Basic", "Pro")),
    Feature("zone", "category", categories=(7, 2**60), unknown="other", nullable=True),
    Feature("note", "text", nullable=True),
    Feature("member", "boolean", nullable=True),
    Feature("seen", "timestamp"),
    Feature("age", minimum=18, maximum=100, nullable=True),
    Feature("tiny", "number", minimum=0, maximum=1e-7),
    Feature("free", "number"),
)
SCHEMAS = {
    "text target": Schema("", "left", FEATURES, positive="yes", time="seen"),
    "classes": Schema("key", "left", FEATURES, task="multiclass_classification", classes=("low", "mid", "high")),
    "regression": Schema("", "left", FEATURES, task="regression", time="when"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


def test_own_rows_come_before_a_generator_and_this_before_synthetic_ones(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = load_project(folder)

    synthetic = default_data(project)
    shutil.copy(ROOT / "data" / "generate_sample.py", folder / "data")
    generated = default_data(project)
    (folder / "data" / "own.yml").write_text(f"name: {project.settings.data}\npath: own.csv\n")
    without_file = default_data(project)
    (folder / "data" / "own.csv").write_text("a\n1\n")
    own = default_data(project)

    assert synthetic.schema is not None
    assert pl.read_csv(synthetic.file).columns == list(synthetic.schema.columns)
    assert generated.schema is None
    assert without_file == generated
    assert (own.file, own.schema) == (folder / "data" / "own.csv", None)
    said = capsys.readouterr().err
    assert "12,000 synthetic rows from schema.yml" in said
    assert "a synthetic sample, made by data/generate_sample.py" in said
    assert "data/own.csv, the project's own file" in said


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_synthetic_rows_fit_their_schema_and_repeat_themselves(schema: Schema) -> None:
    table = synthetic_rows(schema, 2_000)

    assert tuple(sorted(table.columns)) == tuple(sorted(schema.columns))
    assert csv_of(table) == csv_of(synthetic_rows(schema, 2_000))
    assert csv_of(table) != csv_of(synthetic_rows(schema, 2_000, seed=8))
    # Raises for a value that the schema does not allow.
    assert len(tensors(table, schema)) == 2_000
    for feature in schema.features:
        assert (table[feature.name].null_count() > 0) == feature.nullable, feature.name
    assert np.isfinite(encode_target(table, schema)).all()
    if schema.time:
        assert table[schema.time].is_sorted()


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_their_gates_ask_for_more_than_a_model_without_features_and_keep_the_other_rules(schema: Schema) -> None:
    task = TASKS[schema.task]
    metric = task.main_metric
    rules = [
        {"measure": "digest_differences", "why": "w", "every_stage": {"max": 0}},
        {"measure": metric, "why": "w", "no_champion": "pass", "stages": {"dev": None, "prod": {"min": 5, "max": 9}}},
        {"measure": f"{task.slice_metrics[0].name}.x", "why": "w", "every_stage": {"max": 0.1}},
        {"measure": f"{task.slice_metrics[0].name}.y", "why": "w", "every_stage": {"max": 0.1, "max_rise": 0.2}},
    ]
    reached = featureless_metrics(schema, synthetic_rows(schema, 2_000))

    text = with_featureless_bounds(yaml.safe_dump({"format": 1, "rules": rules}), task, reached)

    digests, quality, by_slice = yaml.safe_load(text)["rules"]
    better = next(each.better for each in task.metrics if each.name == metric)
    assert digests == rules[0]
    assert quality["stages"] == {"dev": None, "prod": {"min" if better == "higher" else "max": reached[metric]}}
    assert by_slice["every_stage"] == {"max_rise": 0.2}
    assert by_slice["missing"] == "pass"
