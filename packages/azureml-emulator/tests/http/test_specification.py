"""The check against Microsoft's schemas accepts correct exchanges and finds wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROVIDER = "Microsoft.MachineLearningServices"
BASE = f"/subscriptions/s/resourceGroups/g/providers/{PROVIDER}/workspaces/w/models/m/versions/1"
TYPE = "Microsoft.MachineLearningServices/workspaces/models/versions"


def exchange(properties: dict[str, Any], **given: Any) -> dict[str, Any]:
    body = {"id": BASE, "name": "1", "type": TYPE, "properties": properties}
    return {
        "method": "PUT",
        "path": BASE,
        "api_version": "2023-08-01-preview",
        "request": {"properties": properties},
        "status": 201,
        "response": body,
        **given,
    }


def test_a_correct_exchange_passes(specification: Any, schemas: Path) -> None:
    fine = exchange({"modelUri": "azureml://x", "isArchived": False, "tags": {"a": "b"}, "description": None})
    assert specification.deviations([fine], schemas) == (2, [])


WRONG = {
    "a number for text": ({"modelUri": 1}, "modelUri"),
    "text for a boolean": ({"isArchived": "no"}, "isArchived"),
    "a tag that is not text": ({"tags": {"a": 1}}, "tags/a"),
}


@pytest.mark.parametrize(("properties", "place"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_body_is_found(specification: Any, schemas: Path, properties: dict[str, Any], place: str) -> None:
    _, found = specification.deviations([exchange(properties)], schemas)
    assert len(found) == 2
    assert all(f"properties/{place}" in line for line in found)


def test_missing_properties_or_a_wrong_type_are_found(specification: Any, schemas: Path) -> None:
    bare = exchange({}, response={"id": BASE}, request={})
    _, found = specification.deviations([bare], schemas)
    assert any("'properties' is a required property" in line for line in found)
    other = exchange({}, response={"properties": {}, "type": "Microsoft.Something/else"})
    _, found = specification.deviations([other], schemas)
    assert any("Microsoft.Something/else" in line for line in found)


def test_real_traffic_is_checked(specification: Any, schemas: Path, ml_client: Any, exchanges: Any) -> None:
    from azure.ai.ml.entities import Environment

    ml_client.environments.create_or_update(Environment(name="spec", version="1", image="example.org/image:1"))
    ml_client.workspaces.get()
    recorded = exchanges()
    checked, _ = specification.deviations(recorded, schemas)
    assert checked >= 3
