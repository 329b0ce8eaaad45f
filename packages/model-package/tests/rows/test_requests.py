"""Requests as matrices: every request ends in rows, or in a refusal that names row, field and reason."""

import gzip
import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_package import SCHEMA
from tiny_package import rows as allowed_rows

from model_package.errors import Finding, InvalidRows
from model_package.rows.requests import (
    MAX_BODY_BYTES,
    MAX_FINDINGS,
    MAX_ROWS,
    as_request,
    read_request,
    request_tensors,
)
from model_package.rows.rules import LARGEST, RowRules

GOOD = {"age": 40, "income": 1200.5, "kind": 2}
RULES = RowRules(SCHEMA)


def read(rows: Any) -> np.ndarray:
    return read_request(json.dumps({"input_data": rows}).encode(), RULES).features


def refused(rows: Any) -> InvalidRows:
    with pytest.raises(InvalidRows) as caught:
        read(rows)
    return caught.value


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
def test_every_form_of_a_row_becomes_the_same_matrix(rows: Any):
    matrix = read(rows)

    assert (matrix.dtype, matrix.tolist()) == (np.float32, [[40, 1200.5, 2]])


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        pytest.param({"age": ...}, "age", "missing field", id="missing field"),
        pytest.param({"sex": 1}, "sex", "unknown field", id="unknown field"),
        pytest.param({"age": "40"}, "age", "must be a number, got '40'", id="numeric string"),
        pytest.param({"age": True}, "age", "must be a number, got true", id="boolean"),
        pytest.param({"age": None}, "age", "is null, and this column must have a value", id="null"),
        pytest.param({"age": [40]}, "age", "must be a number, got a list", id="list"),
        pytest.param({"age": {"a": 1}}, "age", "must be a number, got an object", id="object"),
        pytest.param({"age": 17}, "age", "must be at least 18, got 17", id="below the minimum"),
        pytest.param({"age": 1000001}, "age", "must be at most 100, got 1000001", id="above the maximum"),
        pytest.param({"age": 40.5}, "age", "must be a whole number, got 40.5", id="fraction for an integer"),
        pytest.param({"kind": 3}, "kind", "3 is not one of 1, 2, 4", id="gap in the categories"),
        pytest.param({"kind": 9}, "kind", "9 is not one of 1, 2, 4", id="unknown category"),
        pytest.param({"income": 10**400}, "income", "must be a finite number that fits a 32-bit float", id="huge int"),
        pytest.param({"income": float("nan")}, "income", "must be a finite number, got NaN", id="NaN"),
        pytest.param(
            {"age": float("-inf")}, "age", "must be a finite number that fits a 32-bit float", id="minus infinity"
        ),
        pytest.param({"income": 1e300}, "income", "must be a finite number that fits a 32-bit float", id="huge float"),
    ],
)
def test_a_wrong_value_is_named_with_its_row_field_and_reason(change: dict[str, Any], field: str, reason: str):
    wrong = {name: value for name, value in (GOOD | change).items() if value is not ...}

    refusal = refused([GOOD, wrong])

    assert (refusal.findings, refusal.total) == ((Finding(1, field, reason),), 1)
    assert str(refusal) == "the request has 1 problem; correct the request and send it again"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "not JSON", id="empty body"),
        pytest.param(b"age=40&income=3", "not JSON", id="a form"),
        pytest.param(b"\xff\xfe{\x00}\x00", "not UTF-8", id="UTF-16"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="nested garbage"),
        pytest.param(
            b'{"input_data": ' + b"9" * 5000 + b"}", "not JSON: a number has too many digits;", id="endless number"
        ),
        pytest.param(
            b'\xef\xbb\xbf{"input_data": []}', "not JSON: it begins with a byte order mark;", id="byte order mark"
        ),
        pytest.param(gzip.compress(b"{}"), "compressed with gzip; send it as plain JSON", id="compressed"),
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
def test_a_body_that_holds_no_rows_is_refused_with_the_reason(body: bytes, says: str):
    with pytest.raises(InvalidRows, match=says):
        read_request(body, RULES)


@pytest.mark.parametrize(
    ("split", "finding"),
    [
        ({"columns": ["age", "kind"], "data": [[1, 2]]}, Finding(None, "income", "missing column")),
        (
            {"columns": ["age", "kind", "income", "sex"], "data": [[1, 2, 3, 4]]},
            Finding(None, "sex", "unknown column"),
        ),
        (
            {"columns": ["age", "kind", "income", "age"], "data": [[1, 2, 3, 4]]},
            Finding(None, None, "a column is named twice"),
        ),
        (
            {"columns": ["age", "kind", "income"], "data": [[40, 2, 3], [40, 2]]},
            Finding(1, None, "must be a list of 3 values"),
        ),
    ],
    ids=["missing column", "unknown column", "twice", "short row"],
)
def test_the_split_form_is_checked_too(split: dict[str, Any], finding: Finding):
    assert refused(split).findings == (finding,)


def test_all_kinds_of_findings_are_reported_in_the_order_of_rows_and_counted():
    rows = [GOOD | {"age": 3}, GOOD | {"age": "3"}, 5, GOOD, {"age": 40, "kind": 7}, GOOD | {"kind": 7}]

    refusal = refused(rows)

    assert [finding.row for finding in refusal.findings] == [0, 1, 2, 4, 4, 5]
    assert refusal.total == 6


def test_everything_wrong_with_a_row_is_reported_at_once():
    refusal = refused([GOOD, {"age": 3, "income": "high", "sex": 1}])

    assert refusal.total == 4
    assert set(refusal.findings) == {
        Finding(1, "age", "must be at least 18, got 3"),
        Finding(1, "income", "must be a number, got 'high'"),
        Finding(1, "kind", "missing field"),
        Finding(1, "sex", "unknown field"),
    }


def test_only_the_first_findings_are_listed():
    refusal = refused([GOOD | {"age": 3}] * 500)

    assert (len(refusal.findings), refusal.total) == (MAX_FINDINGS, 500)
    assert "500 problems" in str(refusal)


def test_a_caller_may_take_fewer_rows():
    with pytest.raises(InvalidRows, match="there are 3 rows, at most 2"):
        request_tensors({"input_data": [GOOD] * 3}, RULES, max_rows=2)


def test_rows_become_the_request_that_asks_for_them():
    features = allowed_rows()

    assert np.array_equal(request_tensors(as_request(features, SCHEMA), RULES).features, features)
    assert type(as_request(features, SCHEMA)["input_data"][0]["age"]) is int


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
def test_any_json_becomes_allowed_rows_or_is_refused(document: Any):
    try:
        matrix = read_request(json.dumps(document).encode(), RULES).features
    except InvalidRows:
        return
    assert len(matrix)
    assert not RULES.wrong_values(matrix.astype(np.float64)).any()


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_refused(body: bytes):
    with pytest.raises(InvalidRows):
        read_request(body, RULES)


@settings(max_examples=200, deadline=None)
@given(
    age=st.integers(0, 120) | st.sampled_from([18.5, 40.0]),
    income=st.floats(-5, 1e40, allow_nan=False),
    kind=st.integers(-1, 6),
)
def test_a_row_is_accepted_exactly_when_the_schema_allows_it(age: float, income: float, kind: int):
    allowed = 18 <= age <= 100 and age == int(age) and 0 <= income <= LARGEST and kind in (1, 2, 4)

    try:
        read({"age": age, "income": income, "kind": kind})
    except InvalidRows:
        assert not allowed
    else:
        assert allowed


def test_ten_megabytes_of_rows_are_read_in_seconds():
    rows = [{"age": 40, "income": 100000.25 + index, "kind": 4} for index in range(MAX_ROWS)]
    body = json.dumps({"input_data": rows}, indent=4).encode()
    assert len(body) > 9_000_000

    start = time.process_time()

    assert len(read_request(body, RULES)) == MAX_ROWS
    assert time.process_time() - start < 5
