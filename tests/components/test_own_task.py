"""A task of one's own in extensions/ that is a subclass of one of the template's goes through the steps as that one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx_graph import convert
from package_model import signature
from split_rows import describe, sentence
from train_model import Tuning, fit, held_out_metrics
from validate_data import build_report

import model_package
from model_package.errors import ModelError
from model_package.rows.encoding import Tensors
from model_package.rows.split import PARTS, Part, encode_target
from model_package.runtime import Scorer
from model_package.schema import Decision
from model_package.schema_file import read_schema_file
from model_package.steps.featureless import featureless_metrics
from model_package.steps.sklearn_model import answer, fitting_threads
from model_package.steps.synthetic_rows import synthetic_rows
from model_package.tasks import task_of, use_extensions
from model_package.tasks.extensions import FOLDER

TASKS = """\
from model_package.errors import ModelError
from model_package.tasks.binary_classification import BinaryClassification
from model_package.tasks.multiclass_classification import MulticlassClassification
from model_package.tasks.regression import Regression


class Counts(Regression):
    name = "counts"

    def checked_answer(self, answer, rows):
        counts = super().checked_answer(answer, rows)
        if (counts < -1e6).any():
            raise ModelError("a count must not be below 0")
        return counts


class Churn(BinaryClassification):
    name = "churn"


class Grades(MulticlassClassification):
    name = "grades"


TASKS = [Counts, Churn, Grades]
"""
HEADS = {
    "counts": "target: y\n",
    "churn": "target: y\npositive: left\n",
    "grades": "target: y\nclasses: [low, middle, high]\n",
}


@pytest.fixture(autouse=True)
def _own_tasks(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "tasks.py").write_text(TASKS)
    use_extensions(folder)
    yield
    use_extensions(Path(model_package.__file__).parent / FOLDER)


@pytest.mark.parametrize("name", HEADS)
def test_it_is_validated_split_trained_and_packaged_like_its_base(name: str, tmp_path: Path):
    # given synthetic rows of a schema with the task
    features = "features:\n  - {name: a, type: number}\n  - {name: b, type: integer, minimum: 0, maximum: 9}\n"
    (tmp_path / "schema.yml").write_text(f"format: 1\ntask: {name}\n{HEADS[name]}{features}")
    schema = read_schema_file(tmp_path / "schema.yml")
    synthetic_rows(schema, 300).write_csv(tmp_path / "rows.csv")

    # when the steps' functions run one after the other
    report = build_report(tmp_path / "rows.csv", schema, tmp_path / "rows.parquet")
    assert report["problems"] == []
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    target = encode_target(rows, schema)
    part = Part(Tensors(rows.select(schema.names).to_numpy().astype(np.float32)), target)
    described = describe(target, np.resize(PARTS, len(target)), task_of(schema))
    with fitting_threads(1):
        trained = fit(part, part, schema, Tuning(iterations=8))
        expected = answer(trained.model, part.rows, schema)
    decided = schema.with_decision(Decision(0.5)) if task_of(schema).base == "binary_classification" else schema
    graph = convert(trained.model, decided)

    # then the graph answers as the model does, and everything that reports say is that of the base
    found = Scorer(decided, graph.SerializeToString()).score(part.rows)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    said = {"counts": "standard deviation", "churn": "% positive", "grades": " low"}[name]
    assert said in sentence("train", described["train"])
    assert held_out_metrics(trained, decided).keys()
    assert featureless_metrics(schema, pl.DataFrame(rows)).keys() <= {each.name for each in task_of(schema).metrics}
    (output,) = signature(decided).outputs.to_dict()
    assert output["tensor-spec"]["shape"] == (-1, 3 if name == "grades" else 1)


def test_what_it_checks_itself_is_checked(tmp_path: Path):
    (tmp_path / "schema.yml").write_text("format: 1\ntask: counts\ntarget: y\nfeatures:\n  - {name: a, type: number}\n")
    task = task_of(read_schema_file(tmp_path / "schema.yml"))

    with pytest.raises(ModelError, match="a count must not be below 0"):
        task.checked_answer(np.full((2, 1), -1e9), 2)
