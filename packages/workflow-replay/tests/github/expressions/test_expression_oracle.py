"""Our evaluator and GitHub's published one agree on ten thousand random expressions."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.evaluation import Scope, evaluate
from workflow_replay.github.expressions.parser import parse
from workflow_replay.github.expressions.values import Value, normal, shortest, to_text

from .random_expressions import CONTEXTS, expressions

ORACLE = Path(__file__).parents[2] / "oracle"
COUNT = 10_000
SEED = 20_260_301
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="needs `apt-get install npm`")
@pytest.mark.skipif(
    not (ORACLE / "node_modules").is_dir(), reason="needs `npm ci --prefix packages/workflow-replay/tests/oracle`"
)
def test_ten_thousand_random_expressions_have_the_same_values() -> None:
    texts = expressions(SEED, COUNT)
    answers = ask_github(CONTEXTS, texts)
    scope = Scope({name: normal(value) for name, value in CONTEXTS.items()})

    differences = [
        f"{text!r}: GitHub {answer}, we {ours}"
        for text, answer in zip(texts, answers, strict=True)
        if (ours := our_answer(text, scope)) != ("error" if "error" in answer else answer)
    ]

    assert len(answers) == COUNT
    # Both values and errors occur, so that an evaluator that always answers the same would fail.
    assert COUNT // 20 < sum("error" in answer for answer in answers) < COUNT // 2
    assert differences == []


def ask_github(contexts: dict[str, Any], texts: list[str]) -> list[dict[str, Any]]:
    given = json.dumps({"contexts": contexts, "expressions": texts})
    done = subprocess.run(
        [str(NODE), str(ORACLE / "evaluate.mjs")], input=given, capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout)


def our_answer(text: str, scope: Scope) -> dict[str, Any] | str:
    try:
        value = evaluate(parse(text, frozenset(scope.contexts), frozenset()), scope)
    except ExpressionError:
        return "error"
    return {"value": tagged(value), "text": to_text(value)}


def tagged(value: Value) -> dict[str, Any]:
    match value:
        case None:
            return {"null": True}
        case bool():
            return {"boolean": value}
        case int() | float():
            return {"number": exact(float(value))}
        case str():
            return {"string": value}
        case dict():
            return {"object": [[key, tagged(inner)] for key, inner in value.items()]}
        case _:
            return {"array": [tagged(inner) for inner in value]}


def exact(number: float) -> str:
    text = to_text(number)
    return "0" if number == 0 else (shortest(number) if text not in ("NaN", "Infinity", "-Infinity") else text)
