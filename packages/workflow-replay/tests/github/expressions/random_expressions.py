"""Generates random expressions for a seed: most are valid and use a few contexts, some are broken on purpose."""

from __future__ import annotations

import random
import re
from typing import Any, Final

CONTEXTS: Final[dict[str, Any]] = {
    "github": {
        "ref": "refs/heads/main",
        "event_name": "push",
        "actor": "Octocat",
        "event": {
            "number": 7,
            "draft": False,
            "labels": [{"name": "bug", "id": 1}, {"name": "Help", "id": 2}, {"id": 3}, "odd", None, [{"name": "in"}]],
            "nothing": None,
            "commits": {"first": {"name": "one", "n": [1, 2]}, "second": {"name": "TWO", "n": [3]}, "third": 3},
        },
    },
    "needs": {"build": {"result": "success", "outputs": {"version": "12", "empty": "", "flag": "true"}}},
    "matrix": {"os": "linux", "n": 1.5, "big": 1e21, "small": 1e-7, "list": [1, "1", True, None, "ONE"], "zero": 0},
    "inputs": {"dry_run": True, "count": 0, "text": "Hello World", "Stra\u00dfe": "\u00e4\u0131\u00df"},
}  # fmt: skip
_STRINGS: Final = (
    "", "a", "A", "hello", "Hello World", "1", "0", "-1", "1.5", " 2 ", "0x1F", "0X1f", "0o17", "1e3", "1E-3", ".5",
    "5.", "+3", "Infinity", "-Infinity", "NaN", "true", "false", "null", "refs/heads/main", "it''s", "{0}", "{1}-{0}",
    "{{0}}", "{", "}", "{0", "}}{{", "{0}{{1}}", '[1, "a", null, {"b": 1.50, "B": 2}]', '{"x": [], "y": {}}', "[1,",
    "\u00e4", "\u00df", "SS", "\u0131", "I", "\u1e9e", "\U0001f600", "\uff21", "1 2", "bug", "name", "success", "n",
    "0.1", "push",
)  # fmt: skip
_NUMBERS: Final = (
    "0", "1", "-1", "1.5", "-0", "0x10", "0xff", "1e3", "1E-3", "1e21", "123456789012345680000", "1e-7", "0.1", ".5",
    "5.", "+3", "-.25", "0o17", "NaN", "Infinity", "1e400", "-1e400", "0.000001", "123.456", "9007199254740993", "2",
    "1.0000000000000001", "0.30000000000000004", "1e-16",
)  # fmt: skip
_PATHS: Final = (
    "github.ref", "github.event.number", "github.event.labels", "github.event.labels.*.name", "github.event",
    "github.event.labels[0].name", "github.event.labels[5]", "github.event.labels[9]", "github['REF']",
    "needs.*.result",
    "needs.build.outputs.version", "needs.build.outputs", "needs['build']['outputs']['flag']", "matrix.n", "matrix.big",
    "matrix.small", "matrix.list", "matrix.list[1]", "matrix.list.*", "inputs.dry_run", "inputs.missing.deeper",
    "inputs.text", "inputs", "matrix", "github.event.commits.*.name", "github.event.commits.*.n.*", "GitHub.Ref",
    "github.event.labels.*.id", "github.event.labels.*.*", "github.event.commits.*.n[0]", "github.event.labels.*[1]",
    "github.event.nothing", "github.event.nothing.*", "github.*", "matrix.true", "needs.build.*.version", "matrix.zero",
)  # fmt: skip
_ONE: Final = ("toJSON", "fromJSON", "join", "format", "TOJSON")
_TWO: Final = ("contains", "startsWith", "endsWith", "join", "format", "ENDSWITH", "StartsWith")
_OPERATORS: Final = ("==", "!=", ">", ">=", "<", "<=")
_BROKEN: Final = (
    "(",
    ")",
    "[",
    "]",
    "'",
    "=",
    "&",
    "|",
    "!",
    "..",
    ",",
    "-",
    "@",
    "${{",
    "1a",
    "a b",
    "foo(",
    "secrets.x",
)
# Here the published library differs from the service or does not preserve the order of numeric keys: a second escaped
# quote, a comma before the closing bracket, binary numbers.
_NOT_COMPARED: Final = re.compile(r"''.*''|,\s*\)|0[bB][01]|'''", re.DOTALL)


def expressions(seed: int, count: int) -> list[str]:
    """`count` different expressions."""
    source = random.Random(seed)  # noqa: S311 - not for secrets
    found: dict[str, None] = {}
    while len(found) < count:
        text = _expression(source, source.randint(1, 4))
        if source.random() < 0.08:
            text = _break(source, text)
        if not _NOT_COMPARED.search(text):
            found[text] = None
    return list(found)


def _expression(source: random.Random, depth: int) -> str:
    if depth == 0:
        return _leaf(source)
    match source.randrange(9):
        case 0:
            return f"{_space(source)}!{_expression(source, depth - 1)}"
        case 1 | 2:
            operator = f"{_space(source)}{source.choice(_OPERATORS)}{_space(source)}"
            return f"{_expression(source, depth - 1)}{operator}{_expression(source, depth - 1)}"
        case 3 | 4:
            operator = source.choice(("&&", "||"))
            parts = [_expression(source, depth - 1) for _ in range(source.randint(2, 3))]
            return f" {operator} ".join(parts)
        case 5:
            return f"({_expression(source, depth - 1)})"
        case 6:
            return f"{source.choice(_ONE)}({_space(source)}{_expression(source, depth - 1)})"
        case 7:
            arguments = ", ".join(_expression(source, depth - 1) for _ in range(source.choice((2, 2, 2, 3))))
            return f"{source.choice((*_TWO, 'case'))}({arguments})"
        case _:
            return f"{source.choice(_PATHS)}[{_expression(source, depth - 1)}]"


def _leaf(source: random.Random) -> str:
    match source.randrange(6):
        case 0 | 1:
            return f"'{source.choice(_STRINGS)}'"
        case 2:
            return source.choice(_NUMBERS)
        case 3:
            return source.choice(("true", "false", "null"))
        case _:
            return source.choice(_PATHS)


def _space(source: random.Random) -> str:
    return source.choice(("", " ", "  ", "\n"))


def _break(source: random.Random, text: str) -> str:
    place = source.randrange(len(text) + 1)
    if source.random() < 0.5:
        return text[:place] + source.choice(_BROKEN) + text[place:]
    return text[:place] + text[place + 1 :]
