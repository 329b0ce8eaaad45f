"""Requests against the scorer without a web server: every request ends in 200 or in 400 with reasons."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package_digest import PackageError, digest_of
from request_reader import MAX_BODY_BYTES, MAX_DETAILS, MAX_ROWS
from request_schema import SchemaError
from scorer import Scorer

from mlops.models.package import package_digest

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


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        pytest.param({"age": ...}, "age", "missing field", id="missing field"),
        pytest.param({"sex": 1}, "sex", "unknown field", id="unknown field"),
        pytest.param({"age": "40"}, "age", "must be a number, got a string", id="numeric string"),
        pytest.param({"age": True}, "age", "must be a number, got a boolean", id="boolean"),
        pytest.param({"age": None}, "age", "must be a number, got null", id="null"),
        pytest.param({"age": [40]}, "age", "must be a number, got a list", id="list"),
        pytest.param({"age": {"a": 1}}, "age", "must be a number, got an object", id="object"),
        pytest.param({"age": 17}, "age", "must be at least 18, got 17", id="below the minimum"),
        pytest.param({"age": 1000001}, "age", "must be at most 100, got 1000001", id="above the maximum"),
        pytest.param({"age": 40.5}, "age", "must be a whole number, got 40.5", id="fraction for an integer"),
        pytest.param({"kind": 3}, "kind", "unknown category 3; expected one of 1, 2, 4", id="gap in the categories"),
        pytest.param({"kind": 9}, "kind", "unknown category 9; expected one of 1, 2, 4", id="unknown category"),
        pytest.param({"income": 10**400}, "income", "must be a finite number that fits a 32-bit float", id="huge int"),
        pytest.param({"income": float("nan")}, "income", "must be a finite number, got NaN", id="NaN"),
        pytest.param(
            {"age": float("-inf")}, "age", "must be a finite number that fits a 32-bit float", id="minus infinity"
        ),
        pytest.param({"income": 1e300}, "income", "must be a finite number that fits a 32-bit float", id="huge float"),
    ],
)
def test_a_wrong_value_is_named_with_its_row_field_and_reason(scorer, change, field, reason):
    wrong = {name: value for name, value in (GOOD | change).items() if value is not ...}

    status, answer = ask(scorer, {"input_data": [GOOD, wrong]})

    assert status == 400
    assert answer["error"]["code"] == "InvalidInput"
    assert answer["error"]["details"] == [{"row": 1, "field": field, "reason": reason}]
    assert answer["error"]["total"] == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "not JSON", id="empty body"),
        pytest.param(b"age=40&income=3", "not JSON", id="a form"),
        pytest.param(b"\xff\xfe{\x00}\x00", "not UTF-8", id="UTF-16"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="nested garbage"),
        pytest.param(b'{"input_data": ' + b"9" * 5000 + b"}", "not JSON", id="endless number"),
        pytest.param(b'{"input_data": [{"age": 1, "age": 2}]}', "'age' is given twice", id="field given twice"),
        pytest.param(b"[]", "no `input_data`", id="a list"),
        pytest.param(b"null", "no `input_data`", id="null"),
        pytest.param(b'{"data": []}', "no `input_data`", id="another key"),
        pytest.param(b'{"input_data": [], "params": {}}', "fields beside `input_data`", id="keys beside"),
        pytest.param(b'{"input_data": []}', "there are no rows", id="no rows"),
        pytest.param(b'{"input_data": "rows"}', "are a string, not a list", id="a string for rows"),
        pytest.param(b'{"input_data": {"columns": ["age"], "data": {}}}', "not a list", id="split without a list"),
        pytest.param(b'{"input_data": {"columns": 3, "data": [[]]}}', "list of feature names", id="split, no names"),
        pytest.param(b'{"input_data": [' + b"0," * MAX_ROWS + b"0]}", f"at most {MAX_ROWS}", id="too many rows"),
        pytest.param(b" " * (MAX_BODY_BYTES + 1), f"at most {MAX_BODY_BYTES}", id="too many bytes"),
    ],
)
def test_a_body_that_holds_no_rows_is_refused_with_the_reason(scorer, body, says):
    status, answer = ask(scorer, body)

    assert status == 400
    assert says in answer["error"]["message"]


@pytest.mark.parametrize(
    ("split", "detail"),
    [
        (
            {"columns": ["age", "kind"], "data": [[1, 2]]},
            {"row": None, "field": "income", "reason": "missing column"},
        ),
        (
            {"columns": ["age", "kind", "income", "sex"], "data": [[1, 2, 3, 4]]},
            {"row": None, "field": "sex", "reason": "unknown column"},
        ),
        (
            {"columns": ["age", "kind", "income", "age"], "data": [[1, 2, 3, 4]]},
            {"row": None, "field": None, "reason": "a column is named twice"},
        ),
        (
            {"columns": ["age", "kind", "income"], "data": [[40, 2, 3], [40, 2]]},
            {"row": 1, "field": None, "reason": "must be a list of 3 values"},
        ),
    ],
    ids=["missing column", "unknown column", "twice", "short row"],
)
def test_the_split_form_is_checked_too(scorer, split, detail):
    status, answer = ask(scorer, {"input_data": split})

    assert (status, answer["error"]["details"]) == (400, [detail])


def test_all_kinds_of_findings_are_reported_in_the_order_of_rows_and_counted(scorer):
    rows = [GOOD | {"age": 3}, GOOD | {"age": "3"}, 5, GOOD, {"age": 40, "kind": 7}, GOOD | {"kind": 7}]

    status, answer = ask(scorer, {"input_data": rows})

    assert status == 400
    assert [detail["row"] for detail in answer["error"]["details"]] == [0, 1, 2, 4, 4, 5]
    assert answer["error"]["total"] == 6


def test_all_that_is_wrong_with_a_row_is_told_at_once(scorer):
    row = {"age": 3, "income": "high", "sex": 1}

    status, answer = ask(scorer, {"input_data": [GOOD, row]})

    assert status == 400
    assert answer["error"]["total"] == 4
    assert {(detail["row"], detail["field"], detail["reason"]) for detail in answer["error"]["details"]} == {
        (1, "age", "must be at least 18, got 3"),
        (1, "income", "must be a number, got a string"),
        (1, "kind", "missing field"),
        (1, "sex", "unknown field"),
    }


def test_only_the_first_findings_are_listed(scorer):
    _, answer = ask(scorer, {"input_data": [GOOD | {"age": 3}] * 500})

    assert len(answer["error"]["details"]) == MAX_DETAILS
    assert answer["error"]["total"] == 500
    assert "500 problems" in answer["error"]["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([1, 2, 4, 40]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["age", "income", "kind", "columns", "data", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)
rows_like = st.lists(
    st.fixed_dictionaries({"age": json_values, "income": json_values, "kind": json_values}) | json_values,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(document=json_values | st.fixed_dictionaries({"input_data": json_values | rows_like}))
def test_any_json_is_answered_with_200_or_400(scorer, document):
    status, answer = ask(scorer, document)

    assert status in {200, 400}
    assert ("predictions" in answer) == (status == 200)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_answered_with_400(scorer, body):
    assert ask(scorer, body)[0] == 400


@settings(max_examples=200, deadline=None)
@given(
    age=st.integers(0, 120) | st.sampled_from([18.5, 40.0]),
    income=st.floats(-5, 1e40, allow_nan=False),
    kind=st.integers(-1, 6),
)
def test_a_row_is_accepted_exactly_when_the_schema_allows_it(scorer, age, income, kind):
    allowed = (
        18 <= age <= 100 and age == int(age) and 0 <= income <= float(np.finfo(np.float32).max) and kind in (1, 2, 4)
    )

    status, _ = ask(scorer, {"input_data": {"age": age, "income": income, "kind": kind}})

    assert (status == 200) == allowed


def test_ten_megabytes_of_rows_are_answered_in_seconds(scorer):
    rows = [{"age": 40, "income": 100000.25 + index, "kind": 4} for index in range(MAX_ROWS)]
    body = json.dumps({"input_data": rows}, indent=4).encode()
    assert len(body) > 9_000_000

    start = time.process_time()
    reply = scorer.answer(body)

    assert reply.status == 200
    assert time.process_time() - start < 5


def test_the_package_is_found_below_the_model_folder_and_its_digest_checked(package):
    environment = {
        "AZUREML_MODEL_DIR": str(package.parent),
        "MODEL_DIGEST": digest_of(package),
        "MODEL_VERSION": "3",
    }

    scorer = Scorer.from_environment(environment)

    assert (scorer.model, scorer.version) == ("unregistered", "3")


def test_the_digest_is_what_sha256sum_over_the_sorted_files_gives(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("x")
    (tmp_path / "Z.txt").write_text("z")

    # printf '%s  Z.txt\n%s  b/x.txt\n' "$(printf z | sha256sum | cut -c-64)" ... | sha256sum
    assert digest_of(tmp_path) == "sha256:1d1a2d9ec562454f28e14ac561760674733bdbfb28ce00c06e7eeb3616ec601a"


def test_the_digest_is_the_one_that_a_release_promises(package):
    assert digest_of(package) == package_digest(package)


def test_a_changed_package_stops_the_deployment(package, package_writer, tmp_path):
    changed = package_writer(tmp_path / "package")
    (changed / "golden.json").write_text("{}")
    environment = {"AZUREML_MODEL_DIR": str(tmp_path), "MODEL_DIGEST": digest_of(package)}

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
            "must have the one input `features` and an output `probability`",
        ),
        ({"fmt": 2}, SchemaError, "has format 2, this scoring code reads format 1"),
    ],
    ids=["width", "output", "format"],
)
def test_a_package_that_breaks_the_contract_is_refused(package_writer, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        Scorer(package_writer(tmp_path / "package", **options))
