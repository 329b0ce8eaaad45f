"""The fast reader takes only what requests.py accepts, and gives the same bits for it."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_package.errors import InvalidRows
from model_package.rows.encoding import Tensors
from model_package.rows.records import RecordReader
from model_package.rows.requests import MAX_BODY_BYTES, MAX_ROWS, read_request
from model_package.rows.rules import RowRules
from model_package.schema import Feature, Schema

COLUMNS = (
    Feature("number", "number"),
    Feature("limited", "number", minimum=-0.5, maximum=1e20, nullable=True),
    Feature("whole"),
    Feature("age", minimum=18, maximum=100, nullable=True),
    Feature("gaps", categories=(1, 2, 4)),
    Feature("half", "number", categories=(0.5, 1.5), nullable=True),
    Feature("flag", "boolean"),
    Feature("maybe", "boolean", nullable=True),
    Feature("plan", "category", categories=("a", 'Größe, „XL"', "2")),
    Feature("zone", "category", categories=(7, 2**60, -3), nullable=True, unknown="other"),
    Feature("city", "category", categories=("Bonn", "a"), nullable=True, unknown="other"),
    Feature("seen", "timestamp"),
    Feature("left", "timestamp", nullable=True),
    Feature("note", "text"),
    Feature("títle", "text", nullable=True),
)
GOOD: dict[str, list[str]] = {
    "number": [
        "0",
        "-0",
        "-0.0",
        "1.5e-7",
        "9007199254740993",
        "123456789012345678901234567890",
        "3.4028234663852886e38",
    ],
    "limited": ["null", "1", "-0.5", "1E+20", "18446744073709551617"],
    "whole": ["3", "3.0", "-0", "1e2", "9007199254740993"],
    "age": ["18", "null", "40.0"],
    "gaps": ["1", "4.0"],
    "half": ["0.5", "null"],
    "flag": ["true", "false"],
    "maybe": ["null", "true"],
    "plan": ['"a"', '"\\u0061"', '"Größe, „XL\\""', '"2"'],
    "zone": ["7", "7.0", "null", "1152921504606846976", "1152921504606846977", "-3", "99999999999999999999999"],
    "city": ['"Bonn"', "null", '"\\ud83d\\ude00"', '""'],
    "seen": ['"2026-01-31T18:30:15.25Z"', '"1999-12-31"'],
    "left": ["null", '"2026-01-31"', '""'],
    "note": ['"a \\u0022b\\u0022"', '"all \\"is\\" \\n well"', '"\\/"', '"ö"'],
    "títle": ["null", '"x"', '""'],
}
BAD = ["NaN", "-Infinity", "1e999", "4" + "0" * 400, "4" + "0" * 5000, "1e39", "01", "1.", "5", "40.5", "true", "null"]
BAD += ['""', '"a"', '"40"', '"\\ud800"', '"\x01"', '"\udcff"', '"2026-02-30"', "[]", "{}", "", '{"a": 1, "a": 2}']
SPACES = st.sampled_from(["", "", "", " ", "\n\t"])


def bits(found: Tensors) -> tuple[bytes, str, list[list[str]]]:
    """What must be alike: NaN is equal to itself, and -0.0 is not 0.0."""
    return found.features.tobytes(), found.features.dtype.str, [each[:, 0].tolist() for each in found.texts]


def expected(body: bytes, rules: RowRules) -> Any:
    try:
        return bits(read_request(body, rules))
    except InvalidRows:
        return None


def schema_of(*features: Feature) -> Schema:
    return Schema(identifier="", target="target", features=features)


@st.composite
def cases(draw: st.DrawFn, *, spoil: bool) -> tuple[RowRules, bytes]:
    """A schema and a body for it; a spoiled one has wrong cells, and names that are missing, unknown or repeated."""
    features = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6, unique_by=lambda each: each.name))
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.permutations([each.name for each in features]))
        pairs = [(json.dumps(name, ensure_ascii=False), draw(st.sampled_from(GOOD[name]))) for name in names]
        if spoil:
            at = draw(st.integers(0, len(pairs) - 1))
            name, cell = pairs[at]
            escaped = f'"\\u{ord(name[1]):04x}{name[2:]}'
            wrong = draw(st.sampled_from(BAD))
            changes = [[(name, wrong)], [], [(name, cell)] * 2, [(name, cell), (escaped, wrong)], [("", cell)]]
            pairs[at : at + 1] = draw(st.sampled_from([*changes, [(escaped, cell)], [(name, cell), ('"other"', cell)]]))
        colon, comma = draw(SPACES) + ":" + draw(SPACES), draw(SPACES) + "," + draw(SPACES)
        rows.append("{" + comma.join(colon.join(pair) for pair in pairs) + "}")
    text = draw(SPACES) + '{"input_data":[' + ",".join(rows) + "]}" + draw(SPACES)
    return RowRules(schema_of(*features)), text.encode("utf-8", "surrogateescape")


@settings(max_examples=60, deadline=None)
@given(case=cases(spoil=False))
def test_what_is_valid_gives_the_same_bits(case: tuple[RowRules, bytes]):
    rules, body = case

    found = RecordReader(rules).read(body)

    assert expected(body, rules) is not None
    assert found is None or bits(found) == expected(body, rules)


@settings(max_examples=150, deadline=None)
@given(case=cases(spoil=True))
def test_what_is_taken_of_spoiled_bodies_gives_the_same_bits(case: tuple[RowRules, bytes]):
    rules, body = case

    found = RecordReader(rules).read(body)

    assert found is None or bits(found) == expected(body, rules)


def test_a_usual_request_of_every_kind_of_column_is_taken():
    rules = RowRules(schema_of(*COLUMNS))
    rows = [{name: json.loads(cells[-1 - at % len(cells)]) for name, cells in GOOD.items()} for at in range(2)]
    body = json.dumps({"input_data": rows}, ensure_ascii=False).encode()

    found = RecordReader(rules).read(body)

    assert found is not None
    assert bits(found) == expected(body, rules)


PLAIN = RowRules(schema_of(COLUMNS[0], COLUMNS[1]))
ROW = b'{"number":1,"limited":2}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"input_data":[]}', id="no rows"),
        pytest.param(b'{"input_data":[%s],"other":1}' % ROW, id="beside"),
        pytest.param(b'{"input_data":[%s],"input_data":[%s]}' % (ROW, ROW), id="rows given twice"),
        pytest.param(b'{"input_data":[{"number":1,"number":1,"limited":2}]}', id="name given twice"),
        pytest.param(b'{"input_data":[%s]}x' % ROW, id="more behind"),
        pytest.param(b'\xef\xbb\xbf{"input_data":[%s]}' % ROW, id="byte order mark"),
        pytest.param(b'{"input_data":[%s]}' % b",".join([ROW] * (MAX_ROWS + 1)), id="too many rows"),
        pytest.param(b'{"input_data":[%s]}' % ROW + b" " * MAX_BODY_BYTES, id="too many bytes"),
    ],
)
def test_what_must_be_refused_is_left_to_the_reader_that_says_why(body: bytes):
    assert RecordReader(PLAIN).read(body) is None
    with pytest.raises(InvalidRows):
        read_request(body, PLAIN)


@pytest.mark.parametrize("name", ['a "b"', "a\\b", "a\nb"])
def test_a_schema_with_names_that_json_must_escape_is_left_to_the_other_reader(name: str):
    rules = RowRules(schema_of(Feature(name, "number")))
    body = json.dumps({"input_data": [{name: 1}]}).encode()

    assert RecordReader(rules).read(body) is None
    assert np.array_equal(read_request(body, rules).features, [[1]])
