"""Expressions: values, conversions, functions and errors as in the service."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workflow_replay.azure.expressions import (
    CaseInsensitiveDict,
    Contexts,
    EvaluationError,
    InvalidExpression,
    Value,
    evaluate,
)
from workflow_replay.azure.expressions.syntax import (
    INNER_VARIABLE,
    JOB_CONDITION,
    ROOT_VARIABLE,
    STEP_CONDITION,
    TEMPLATE,
    Availability,
)
from workflow_replay.azure.expressions.values import Version

OBJECT: Value = {"CamelKey": "c", "dotted.name": "d", "1": "one", "list": [{"id": 7.0}, {"id": 8.0}], "empty": []}
CONTEXTS = Contexts(
    {
        "parameters": CaseInsensitiveDict({"obj": OBJECT, "other": {"a": 1.0}, "flag": True}, strict=True),
        "variables": CaseInsensitiveDict({"MyVar": "x", "My.Var": "dotted", "number": "7"}),
        "pipeline": CaseInsensitiveDict({"startTime": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)}),
    }
)


def value(text: str, available: Availability = TEMPLATE) -> Value:
    return evaluate(text, available, CONTEXTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("True", True), ("FALSE", False), ("42", 42.0), ("-1.2", -1.2), (".5", 0.5), ("1.", 1.0),
        ("'It''s OK'", "It's OK"), ("1.2.3", Version((1, 2, 3))),
        ("variables.myvar", "x"), ("variables['MY.VAR']", "dotted"), ("variables.My.Var", None), ("variables.no", None),
        ("PARAMETERS.OBJ.CamelKey", "c"), ("parameters.obj.camelkey", None), ("parameters.obj.no.deeper", None),
        ("parameters.obj['dotted.name']", "d"), ("parameters.obj[1]", "one"),
        ("parameters.obj.list[1].id", 8.0), ("parameters.obj.list['1'].id", 8.0), ("parameters.obj.list[1.9].id", 8.0),
        ("parameters.obj.list[-1]", None), ("parameters.obj.list['x']", None), ("parameters.obj.list[2]", None),
        ("parameters.obj.list.*.id", [7.0, 8.0]), ("parameters.obj.list[*].id", [7.0, 8.0]),
        ("split('a,b', ',')[1]", "b"), ("'text'.length", None),
    ],
)  # fmt: skip
def test_literals_and_members(text: str, expected: Value) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eq(1, '1')", True), ("eq(.5, '0.5')", True), ("eq(1000, '1,000')", True), ("eq(1, 'x')", False),
        ("ne(1, 'x')", True), ("eq('A', 'a')", True), ("eq(true, 'false')", True), ("eq('True', true)", True),
        ("eq('', variables.no)", True), ("eq(variables.no, '')", True), ("eq(variables.no, 0)", False),
        ("eq(0, variables.no)", True), ("eq(parameters.obj, parameters.obj)", True),
        ("eq(parameters.obj.list, parameters.obj.empty)", False),
        ("gt(1.10, 1.9)", False), ("gt(1.10.0, 1.9.0)", True), ("lt(1.2.0, '1.3')", True), ("lt(1.2.0, 1.3)", True),
        ("eq(1.2.0, '1.2')", False), ("lt(False, True)", True), ("ge('b', 'A')", True), ("le(2, '2')", True),
        ("and(true, 1, 'x')", True), ("and(false, lt(1, 'bad'))", False), ("or(true, lt(1, 'bad'))", True),
        ("not('')", True), ("xor(true, false)", True), ("xor(1, 'x')", False),
        ("in('B', 'a', 'b')", True), ("in('b', 'b', lt(1, 'bad'))", True), ("notIn('d', 'a', 'b')", True),
        ("contains('ABCDE', 'bcd')", True), ("startsWith(12345, '123')", True), ("endsWith('AbCdE', 'DE')", True),
        ("containsValue(split('alpha,BETA', ','), 'beta')", True), ("containsValue(parameters.other, '1')", True),
        ("containsValue('text', 'text')", False),
    ],
)  # fmt: skip
def test_comparisons_convert_the_right_side_to_the_left(text: str, expected: bool) -> None:  # noqa: FBT001
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("format('{1}-{0}-{1}', 'A', 'B')", "B-A-B"), ("format('{{{0}}} {{ and }}', 'x')", "{x} { and }"),
        ("format('{0} {1} {2}', true, 1.0, 1.2.3)", "True 1 1.2.3"),
        ("join(';', split('a,b', ','))", "a;b"), ("join('-', 12)", "12"), ("join(',', parameters.obj.list)", ","),
        ("split('a,b;c,,', ',;')", ["a,b;c,,"]), ("split('a,,b', ',')", ["a", "", "b"]), ("split('ab', '')", ["ab"]),
        ("replace('AaA', 'a', 'x')", "AxA"), ("replace('abc', '', 'x')", "abc"),
        ("upper('Ab')", "AB"), ("lower('Ab')", "ab"), ("trim('  a ')", "a"),
        ("length('abcd')", 4.0), ("length(parameters.obj.list)", 2.0), ("length(parameters.other)", 1.0),
        ("coalesce('', variables.no, 0, 'x')", 0.0), ("coalesce('hit', lt(1, 'bad'))", "hit"),
        ("coalesce('', '')", None),
        ("iif(true, 'yes', 'no')", "yes"), ("convertToJson('text')", '"text"'),
        ("convertToJson(parameters.other)", '{\n  "a": 1\n}'),
    ],
)  # fmt: skip
def test_functions(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_dates_are_formatted_as_in_dotnet() -> None:
    text = "format('{0:yyyy-MM-dd HH:mm} {0:yyMMd}', pipeline.startTime)"

    assert value(text, ROOT_VARIABLE) == "2026-03-04 05:06 26034"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "An expression was expected"),
        ("1 == 1", "Unexpected symbol: '=='. Located at position 3"),
        ("true && false", "Unexpected symbol: '&&'"),
        ("(true)", "Unexpected symbol: '('"),
        ("null", "Unrecognized value: 'null'. Located at position 1"),
        ('"double"', "Unrecognized value: '\"double\"'"),
        ("1e3", "Unrecognized value: '1e3'"),
        ("0x1F", "Unrecognized value: '0x1F'"),
        ("1..2", "Unrecognized value: '1..2'"),
        ("nosuchfunc(1)", "Unrecognized value: 'nosuchfunc'"),
        ("nosuchcontext.a", "Unrecognized value: 'nosuchcontext'"),
        ("nosuchcontext 2", "Unexpected symbol: '2'"),
        ("eq(1)", "Unexpected symbol: ')'. Located at position 5"),
        ("eq(1, 2, 3)", "Unexpected symbol: ','. Located at position 8"),
        ("iif(true, 1)", "Unexpected symbol: ')'"),
        ("in('a')", "Unexpected symbol: ')'"),
        ("eq(1,", "Unclosed function: 'eq'. Located at position 1"),
        ("eq", "Expected '(' to follow a function: 'eq'"),
        ("parameters.obj.9num", "Unexpected symbol: '9num'. Located at position 16"),
        ("parameters.obj.", "Expected a property name to follow the dereference operator"),
        ("parameters.obj.list[]", "Unexpected symbol: ']'. Located at position 21"),
        ("'unclosed", "Unrecognized value"),
        ("not(" * 50 + "false" + ")" * 50, "Exceeded max expression depth 50"),
    ],
)
def test_invalid_expressions_have_the_messages_of_the_service(text: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        value(text)

    assert message in str(caught.value)


def test_fifty_levels_are_allowed_and_members_do_not_count() -> None:
    assert value("not(" * 49 + "false" + ")" * 49) is True
    assert value("parameters.obj" + ".no" * 60) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lt(1, 'x')", "Unable to convert from String to Number"),
        ("contains(split('a', ','), 'a')", "Unable to convert from Array to String"),
        ("format('{2}', 'a')", "references more arguments"),
        ("format('{', 'a')", "format string is invalid"),
        ("parameters.undeclared", "Key not found 'undeclared'"),
        ("iif(true, 'yes', lt(1, 'bad'))", "Unable to convert"),
    ],
)
def test_unsuitable_values_are_errors(text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(text)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "available", "is_known"),
    [
        ("always()", TEMPLATE, False), ("always()", ROOT_VARIABLE, False), ("always()", STEP_CONDITION, True),
        ("succeeded('A')", STEP_CONDITION, False), ("succeeded('A')", JOB_CONDITION, True),
        ("counter('a', 1)", TEMPLATE, False), ("counter('a', 1)", JOB_CONDITION, False),
        ("parameters.obj", JOB_CONDITION, False), ("dependencies.A.result", ROOT_VARIABLE, False),
        ("dependencies.A.result", INNER_VARIABLE, True), ("dependencies.A.result", STEP_CONDITION, False),
        ("stageDependencies.A.B.result", JOB_CONDITION, True),
    ],
)  # fmt: skip
def test_names_are_available_only_where_documented(text: str, available: Availability, is_known: bool) -> None:  # noqa: FBT001
    contexts = Contexts({}, {"always": lambda: True, "succeeded": lambda *_: True})
    if is_known:
        evaluate(text, available, contexts)
    else:
        with pytest.raises(InvalidExpression):
            evaluate(text, available, contexts)
