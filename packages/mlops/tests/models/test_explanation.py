from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from mlops.commands.models import explain_command
from mlops.core.errors import InputError, JobFailed
from mlops.models.explanation import MAX_ROWS, draw_background, explain_rows, typical_rows, written_values
from model_package.package import package_digest, read_baseline, read_schema
from model_package.rows.encoding import encode
from model_package.rows.requests import read_request
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer
from model_package.schema import TIMESTAMP, Feature, Schema

WEIGHTS = (0.05, -1.2, 0.4)
ROW = {"age": 70, "income": 0.2, "kind": 2}
SCHEMA: dict[str, Any] = {
    "format": 1,
    "target": "late",
    "features": [
        {"name": "age", "type": "integer", "minimum": 18, "maximum": 90},
        {"name": "income", "type": "number", "minimum": 0},
        {"name": "kind", "type": "integer", "categories": [1, 2]},
    ],
    "decision": {"threshold": 0.3},
}
MOMENTS = {"mean": 0.0, "std": 1.0, "minimum": 0.0, "maximum": 1.0}
BASELINE: dict[str, Any] = {
    "rows": 100,
    "features": {
        "age": {"edges": [20.0, 40.0, 60.0], "counts": [75, 25], **MOMENTS},
        "income": {"edges": [0.0, 1.0, 4.0], "counts": [50, 50], "missing": 3, **MOMENTS},
        "kind": {"categories": [1, 2], "counts": [90, 10], **MOMENTS},
    },
    "probability": {"edges": [0.0, 1.0], "counts": [100], **MOMENTS},
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A logistic regression of three features."""
    folder = tmp_path / "package"
    folder.mkdir()
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Sigmoid", ["raw"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.array(WEIGHTS, dtype=np.float32)[:, None], "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "baseline.json").write_text(json.dumps(BASELINE))
    return folder


def body(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"input_data": list(rows)}).encode()


def test_background_follows_the_training_distribution(package: Path) -> None:
    rows = draw_background(read_schema(package), read_baseline(package), 400, np.random.default_rng(7))

    age, income, kind = rows.T
    assert (age == np.rint(age)).all()
    assert (age.min(), age.max()) == (20, 60)
    assert (age <= 40).mean() == pytest.approx(0.75, abs=0.02)
    assert (income <= 1).mean() == pytest.approx(0.5, abs=0.01)
    assert (kind == 2).mean() == pytest.approx(0.1, abs=0.01)


def test_explanations_start_from_the_average_of_training(package: Path) -> None:
    # given training rows whose features hang together: drawn one by one they are answered otherwise
    probability = {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "counts": [30, 30, 20, 20], **MOMENTS}
    (package / "baseline.json").write_text(json.dumps(BASELINE | {"probability": probability}))
    scorer, baseline = Scorer.open(package), read_baseline(package)

    def answers(values: Any) -> Any:
        return scorer.score(encode(values, [], scorer.schema))

    rows = typical_rows(scorer, baseline, 400, np.random.default_rng(7))

    shares = np.histogram(answers(rows), probability["edges"])[0] / len(rows)
    assert shares == pytest.approx([0.3, 0.3, 0.2, 0.2], abs=0.01)
    drawn = draw_background(scorer.schema, baseline, 400, np.random.default_rng(7))
    assert answers(drawn).mean() - answers(rows).mean() > 0.1


def test_row_is_explained_by_what_adds_most(package: Path) -> None:
    result = explain_rows(package, "late 2", body(ROW))

    (row,) = result.rows
    log_odds = sum(weight * value for weight, value in zip(WEIGHTS, ROW.values(), strict=True))
    assert row.value == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-6)
    assert row.prediction["decision"] == 1
    assert [each.feature for each in row.contributions] == ["income", "age", "kind"]
    assert sum(each.contribution for each in row.contributions) == pytest.approx(row.value - row.base, abs=1e-9)
    assert result.digest == package_digest(package)


def test_explanation_is_the_same_again_and_beside_other_rows(package: Path) -> None:
    alone = explain_rows(package, "late 2", body(ROW)).rows[0]
    among = explain_rows(package, "late 2", body({"age": 20, "income": 3.0, "kind": 1}, ROW)).rows[1]

    assert alone.contributions == among.contributions


def test_forms_of_a_request_are_explained_alike(package: Path) -> None:
    listed = explain_rows(package, "late 2", body(ROW))
    one = explain_rows(package, "late 2", json.dumps({"input_data": ROW}).encode())
    split = {"columns": list(ROW)[::-1], "data": [list(ROW.values())[::-1]]}

    assert one == listed
    assert explain_rows(package, "late 2", json.dumps({"input_data": split}).encode()) == listed


@pytest.mark.parametrize(
    ("request_body", "says"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b"[]", "has no `input_data`"),
        (b'{"input_data": []}', "no rows"),
        (b'{"input_data": [7]}', "row 0: must be an object"),
        (b'{"input_data": {"columns": ["age"], "data": [[1]]}}', "income: missing column"),
        (body(ROW, {**ROW, "age": None}), "row 1, age: "),
        (body({**ROW, "age": "old"}), "row 0, age: "),
        (body({**ROW, "age": True}), "row 0, age: "),
        (body({**ROW, "age": 10**400}), "row 0, age: "),
        (body({**ROW, "age": 17}), "row 0, age: must be at least 18, got 17"),
        (b'{"input_data": [{"age": NaN, "income": 1, "kind": 1}]}', "row 0, age: "),
        (body({**ROW, "height": 2}), "row 0, height: unknown field"),
        (body(*[ROW] * (MAX_ROWS + 1)), "at most 100"),
    ],
)
def test_request_that_the_endpoint_would_refuse_is_refused(package: Path, request_body: bytes, says: str) -> None:
    with pytest.raises(InputError) as refused:
        explain_rows(package, "late 2", request_body)

    assert any(says in line for line in (refused.value.message, *refused.value.details))


@pytest.mark.parametrize(
    "broken",
    [
        {"features": {}},
        {"features": {**BASELINE["features"], "age": {"edges": [1.0, 2.0], "counts": [0], **MOMENTS}}},
        {"features": {**BASELINE["features"], "age": {"edges": [1.0, 2.0], "counts": [3, 4], **MOMENTS}}},
        {"features": {**BASELINE["features"], "kind": {"categories": [1], "counts": [3, 4], **MOMENTS}}},
    ],
    ids=["no feature", "no values", "edges that do not fit", "codes that do not fit"],
)
def test_package_without_a_training_distribution_cannot_be_explained(package: Path, broken: dict[str, Any]) -> None:
    (package / "baseline.json").write_text(json.dumps(BASELINE | broken))

    with pytest.raises(JobFailed, match="baseline"):
        explain_rows(package, "late 2", body(ROW))


def test_command_explains_a_folder_without_azure(package: Path, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_bytes(body(ROW))
    root = Path(__file__).parents[4]

    done = CliRunner().invoke(
        explain_command, ["--package", str(package), "--file", str(request), "--json"], obj=root, standalone_mode=False
    )

    assert done.exception is None
    assert json.loads(done.stdout)["rows"][0]["contributions"][0]["feature"] == "income"


@pytest.mark.parametrize(
    ("sent", "shown"), [("2026-03-04", "2026-03-04"), ("2026-03-04T10:30:00", "2026-03-04T10:30:00")]
)
def test_a_date_is_shown_as_a_date(sent: str, shown: str) -> None:
    schema = Schema(identifier="id", target="late", features=(Feature("last_call", type=TIMESTAMP),), slices=())
    rows = read_request(body({"last_call": sent}), RowRules(schema), 1)

    assert dict(written_values(rows, schema)) == {"last_call": shown}
