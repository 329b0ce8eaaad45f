"""What GitHub's published library does not cover: templates, conditions, availability, invalid expressions."""

import pytest

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.evaluation import Scope, evaluate
from workflow_replay.github.expressions.parser import parse
from workflow_replay.github.expressions.templates import Availability, condition, has_status_function, holds, resolve
from workflow_replay.github.expressions.values import CaseSensitive, Value, to_text

AVAILABLE = Availability(
    frozenset({"github", "env", "steps"}), frozenset({"success", "failure", "always", "cancelled", "hashfiles"})
)


def scope(*, succeeded: bool = True) -> Scope:
    contexts: dict[str, Value] = {
        "github": {"ref": "refs/heads/main", "n": 3.0, "list": ["a", "b"]},
        "env": CaseSensitive({"Name": "x"}),
        "steps": {},
    }
    functions = {
        "success": lambda _: succeeded,
        "failure": lambda _: not succeeded,
        "always": lambda _: True,
        "cancelled": lambda _: False,
        "hashfiles": lambda arguments: "-".join(to_text(argument) for argument in arguments),
    }
    return Scope(contexts, functions)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${{ github.n }}", 3.0),
        ("${{ github.list }}", ["a", "b"]),
        ("v${{ github.n }}", "v3"),
        ("${{ github.n }}${{ github.n }}", "33"),
        ("a ${{ '}}' }} b", "a }} b"),
        ("${{ 'it''s ''two''' }}", "it's 'two'"),
        ("$${{ github.n }}", "$3"),
        ("${{ env.Name }}-${{ env.NAME }}", "x-"),
        ("${{ github.missing }}", None),
        ("x${{ github.missing }}", "x"),
        ("${{ hashFiles('a', 'b') }}", "a-b"),
    ],
)
def test_strings_with_expressions(text: str, value: Value) -> None:
    assert resolve(text, AVAILABLE, scope()) == value


@pytest.mark.parametrize(
    ("text", "after_success", "after_failure"),
    [
        ("", True, False),
        ("github.n == 3", True, False),
        ("${{ github.n == 3 }}", True, False),
        ("always()", True, True),
        ("always() && github.n == 4", False, False),
        ("failure()", False, True),
        ("!cancelled()", True, True),
        ("${{ failure() }}", False, True),
        ("FAILURE() || success()", True, True),
        # The famous trap: text around the expression makes a string of it, which is true.
        ("${{ github.n }} == 4", True, False),
        ("github.ref == 'refs/heads/main' && 'it''s'", True, False),
    ],
)
def test_conditions(text: str, after_success: bool, after_failure: bool) -> None:  # noqa: FBT001 - a table
    expression = condition(text)

    assert holds(expression, AVAILABLE, scope()) is after_success
    assert holds(expression, AVAILABLE, scope(succeeded=False)) is after_failure


def test_a_status_function_in_a_string_does_not_count() -> None:
    assert not has_status_function("github.ref == 'always()'", AVAILABLE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secrets.TOKEN", "unrecognized named-value 'secrets' here; available: env, github, steps"),
        ("nope(1)", "unrecognized function 'nope' here"),
        ("contains('a')", "too few parameters for 'contains': 1 of at least 2"),
        ("always(1)", "too many parameters for 'always'"),
        ("case(true, 1)", "too few"),
        ("case(true, 1, true, 2)", "odd number"),
        ("github.ref ==", "unexpected end"),
        ("github.ref = 'a'", "unexpected symbol"),
        ("'open", "unexpected symbol"),
        ('"double"', "unexpected symbol"),
        ("contains('a', 'b',)", "unexpected symbol"),
        ("a" * 21_001, "longer than 21000"),
        ("(" * 51 + "1" + ")" * 51, "nested deeper than 50"),
        ("github" + ".a" * 51, "nested deeper than 50"),
        ("", "unexpected end"),
    ],
)
def test_invalid_expressions_are_rejected(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        parse(text, AVAILABLE.contexts, AVAILABLE.functions)


@pytest.mark.parametrize("text", ["fromJSON('')", "fromJSON('{')", "fromJSON('NaN')", "format('{9}')", "case(1, 2, 3)"])
def test_unsuitable_values_are_errors(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(text, AVAILABLE.contexts, AVAILABLE.functions), scope())


def test_an_unclosed_expression_is_rejected() -> None:
    with pytest.raises(ExpressionError, match="not closed"):
        resolve("a ${{ 'b }}' ", AVAILABLE, scope())


def test_status_functions_are_not_available_everywhere() -> None:
    with pytest.raises(ExpressionError, match="unrecognized function 'always'"):
        parse("always()", AVAILABLE.contexts, frozenset())
