"""The SDK keeps the deployment that one `invoke` names, and its key, in a constant, and sends them with the next.

With a batch endpoint's too. So `mlops` asks online endpoints by itself, and names the deployment in every call of a
batch endpoint, also where it is the default: then no call goes to the one of an earlier call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/mlops"
BY_ITSELF = {"batch_endpoints"}


def invocations(code: str) -> Iterator[tuple[str, frozenset[str | None]]]:
    """Each call of `<endpoints>.invoke`: whose, and the names of its keywords."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=owner), attr="invoke"), keywords=keywords):
                yield owner, frozenset(keyword.arg for keyword in keywords)


def wrong(code: str) -> list[str]:
    """The calls after which a later one could go to another deployment than it should."""
    return [owner for owner, named in invocations(code) if owner not in BY_ITSELF or "deployment_name" not in named]


def test_every_invocation_names_its_deployment() -> None:
    files = {file: file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py")}

    assert [owner for code in files.values() for owner, _ in invocations(code)] == ["batch_endpoints"]
    assert {str(file): wrong(code) for file, code in files.items() if wrong(code)} == {}


@pytest.mark.parametrize(
    "code",
    [
        "client.online_endpoints.invoke(endpoint_name=name, request_file=file)",
        "client.batch_endpoints.invoke(name, inputs=inputs)",
        "client.batch_endpoints.invoke(name, **how)",
    ],
)
def test_one_that_does_would_be_found(code: str) -> None:
    assert wrong(code)
