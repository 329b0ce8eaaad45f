"""Requests against the scorer without a web server: every request ends in 200 or in 400 with reasons."""

import json

import pytest
from scorer import Scorer

from model_package.errors import PackageError, SchemaError
from model_package.package import package_digest
from model_package.rows.requests import MAX_FINDINGS

GOOD = {"age": 40, "income": 1200.5, "kind": 2}


@pytest.fixture(scope="module")
def scorer(package):
    return Scorer(package, "tiny", "7")


def ask(scorer, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    reply = scorer.answer(body)
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([GOOD], id="a list with one row"),
        pytest.param(GOOD, id="one row by itself"),
        pytest.param({"columns": ["kind", "age", "income"], "data": [[2, 40, 1200.5]]}, id="split form, other order"),
        pytest.param({"columns": ["age", "income", "kind"], "index": [9], "data": [[40, 1200.5, 2]]}, id="with index"),
        pytest.param([{"kind": 2.0, "income": 1200.5, "age": 40.0}], id="whole numbers written as 40.0"),
    ],
)
def test_every_form_of_a_row_is_answered(scorer, expected_probability, rows):
    status, answer = ask(scorer, {"input_data": rows})

    assert status == 200
    assert (answer["model"], answer["model_version"], answer["threshold"]) == ("tiny", "7", 0.4)
    (prediction,) = answer["predictions"]
    assert prediction["probability"] == pytest.approx(expected_probability(40, 1200.5, 2), abs=1e-6)
    assert prediction["decision"] == int(prediction["probability"] >= 0.4)


def test_rows_keep_their_order(scorer, expected_probability):
    rows = [{"age": age, "income": 150.0 * age, "kind": (1, 2, 4)[age % 3]} for age in range(18, 100)]

    _, answer = ask(scorer, {"input_data": rows})

    got = [each["probability"] for each in answer["predictions"]]
    assert got == pytest.approx([expected_probability(**row) for row in rows], abs=1e-6)
    assert {each["decision"] for each in answer["predictions"]} == {0, 1}


def test_a_wrong_value_is_answered_with_its_row_field_and_reason(scorer):
    status, answer = ask(scorer, {"input_data": [GOOD, GOOD | {"age": 17}]})

    assert status == 400
    assert answer["error"] == {
        "code": "InvalidInput",
        "message": "the request has 1 problem; correct the request and send it again",
        "details": [{"row": 1, "field": "age", "reason": "must be at least 18, got 17"}],
        "total": 1,
    }


def test_a_body_that_holds_no_rows_is_answered_with_the_reason(scorer):
    status, answer = ask(scorer, b"age=40&income=3")

    assert (status, answer["error"]["details"]) == (400, [])
    assert "not JSON" in answer["error"]["message"]


def test_only_the_first_findings_are_listed(scorer):
    _, answer = ask(scorer, {"input_data": [GOOD | {"age": 3}] * 500})

    assert len(answer["error"]["details"]) == MAX_FINDINGS
    assert answer["error"]["total"] == 500


def test_the_package_is_found_below_the_model_folder_and_its_digest_checked(package):
    environment = {
        "AZUREML_MODEL_DIR": str(package.parent),
        "MODEL_DIGEST": package_digest(package),
        "MODEL_VERSION": "3",
    }

    scorer = Scorer.from_environment(environment)

    assert (scorer.model, scorer.version) == ("unregistered", "3")


def test_a_changed_package_stops_the_deployment(package, package_writer, tmp_path):
    changed = package_writer(tmp_path / "package")
    (changed / "golden.json").write_text("{}")
    environment = {"AZUREML_MODEL_DIR": str(tmp_path), "MODEL_DIGEST": package_digest(package)}

    with pytest.raises(PackageError, match=r"has digest sha256:.* but the release promises sha256:"):
        Scorer.from_environment(environment)


@pytest.mark.parametrize(
    ("folders", "message"),
    [([], "no model package below"), (["one", "two"], "more than one model package below .*: one, two")],
)
def test_a_model_folder_without_exactly_one_package_is_refused(package_writer, tmp_path, folders, message):
    for folder in folders:
        package_writer(tmp_path / folder)

    with pytest.raises(PackageError, match=message):
        Scorer.from_environment({"AZUREML_MODEL_DIR": str(tmp_path)})


def test_a_missing_model_folder_is_named(tmp_path):
    with pytest.raises(PackageError, match="nowhere does not exist"):
        Scorer.from_environment({"AZUREML_MODEL_DIR": str(tmp_path / "nowhere")})
    with pytest.raises(PackageError, match="AZUREML_MODEL_DIR is not set"):
        Scorer.from_environment({})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"width": 4}, PackageError, "takes 4 features, schema.json lists 3"),
        (
            {"output": "score2"},
            PackageError,
            "must have the inputs features and an output `probability`",
        ),
        ({"fmt": 2}, SchemaError, "has format 2, this code reads format 1"),
    ],
    ids=["width", "output", "format"],
)
def test_a_package_that_breaks_the_contract_is_refused(package_writer, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        Scorer(package_writer(tmp_path / "package", **options))
