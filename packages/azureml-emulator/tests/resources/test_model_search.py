"""MLflow's filters, orders and pages of its model registry."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.resources.model_registry.search import VERSION_FIELDS, matching, ordered, page


def version(name: str, number: str, run: str = "", **tags: str) -> dict[str, Any]:
    shown = [{"key": key, "value": value} for key, value in tags.items()]
    return {"name": name, "version": number, "run_id": run, "source": f"runs:/{run}/model", "tags": shown}


VERSIONS = [
    version("Credit", "2", "r1", owner="ann"),
    version("Credit", "10", "r2", owner="bob", stage_note="it's"),
    version("credit_old", "1", "r3"),
    version("Credit", "initial"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["2", "10", "1", "initial"]),
        ("name = 'Credit'", ["2", "10", "initial"]),
        ("name LIKE 'credit%'", ["1"]),
        ("name ILIKE 'CREDIT_old'", ["1"]),
        ("name != 'Credit'", ["1"]),
        ("version_number > 9", ["10"]),
        ("version_number <= 2", ["2", "1", "initial"]),
        ("run_id IN ('r1', 'r3')", ["2", "1"]),
        ("run_id NOT IN ('r1','r3') AND name='Credit'", ["10", "initial"]),
        ("source_path = 'runs:/r2/model'", ["10"]),
        ("tags.owner = 'ann'", ["2"]),
        ("tags.`owner` != 'ann'", ["10"]),
        ('tag."owner" LIKE \'%o%\' and name = "Credit"', ["10"]),
        ('tags.stage_note = "it\'s"', ["10"]),
        ("name = 'Credit' AND tag.`mlflow.prompt.is_prompt` != 'true'", ["2", "10", "initial"]),
    ],
)
def test_filters(text: str, expected: list[str]) -> None:
    assert [each["version"] for each in matching(VERSIONS, text, VERSION_FIELDS)] == expected


@pytest.mark.parametrize(
    "text",
    ["name", "name = ", "colour = 'red'", "name = 'a' OR name = 'b'", "name = 'a' name = 'b'", "run_id IN 'r1'", "; x"],
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        matching(VERSIONS, text, VERSION_FIELDS)


def test_versions_are_ordered_as_numbers() -> None:
    found = ordered(VERSIONS, ["name ASC", "version_number DESC"], VERSION_FIELDS)
    assert [each["version"] for each in found] == ["10", "2", "initial", "1"]


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(BadRequest, match="order_by"):
        ordered(VERSIONS, ["colour ASC"], VERSION_FIELDS)


def test_pages_follow_each_other() -> None:
    first, token = page(VERSIONS, 3, "")
    second, end = page(VERSIONS, 3, token)
    assert [*first, *second] == VERSIONS
    assert end == ""
