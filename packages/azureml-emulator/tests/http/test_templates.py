"""Workspaces made as the SDK makes them, by a template, on an emulator that makes none by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

# A process of its own: the SDK keeps the cloud of its first client.
CREATE = """
import json, os
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Workspace
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], "made-here")
try:
    client.workspaces.get("made")
except ResourceNotFoundError as error:
    missing = str(error)
wanted = {"display_name": "Made", "description": "by a template", "tags": {"team": "risk"}}
client.workspaces.begin_create(Workspace(name="made", **wanted)).result()
again = client.workspaces.begin_create(Workspace(name="made", location="westeurope", tags={"more": "1"})).result()
made = client.workspaces.get("made")
print(json.dumps({
    "missing": missing, "again": again.name, "display_name": made.display_name, "description": made.description,
    "location": made.location, "tags": made.tags, "listed": [each.name for each in client.workspaces.list()],
}))
client.workspaces.begin_delete("made", delete_dependent_resources=False).result()
assert [each.name for each in client.workspaces.list()] == []
"""
WORKSPACE = {"type": "Microsoft.MachineLearningServices/workspaces", "name": "[parameters('name')]"}


def test_the_sdk_creates_a_workspace(fresh_emulator: Callable[..., Any]) -> None:
    # given an emulator that makes no workspace by itself
    running = fresh_emulator(strict=True)
    # when the SDK creates one, twice
    shown = subprocess.run(
        [sys.executable, "-c", CREATE],
        env={**os.environ, **running.variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # then it is there, as wanted
    assert shown.returncode == 0, shown.stderr
    made = json.loads(shown.stdout.splitlines()[-1])
    assert "strict" in made["missing"]
    assert (made["again"], made["display_name"], made["description"]) == ("made", "Made", "by a template")
    assert made["location"] == "eastus"
    assert made["tags"]["team"] == "risk"
    assert made["tags"]["more"] == "1"
    assert made["listed"] == ["made"]


@pytest.fixture
def deployments(http: Any, emulator: Any) -> Callable[..., Any]:
    """PUTs a template with these resources."""
    group = f"/subscriptions/{emulator.settings.subscription}/resourcegroups/g"

    def put(*resources: Any, **parameters: Any) -> Any:
        template = {"parameters": {"name": {"type": "string", "defaultValue": "by-default"}}, "resources": resources}
        given = {name: {"value": value} for name, value in parameters.items()}
        body = {"properties": {"mode": "incremental", "template": template, "parameters": given}}
        return http.put(f"{group}/providers/Microsoft.Resources/deployments/d", json=body)

    return put


@pytest.mark.parametrize(
    ("resources", "status", "code", "words"),
    [
        ([WORKSPACE, {"type": "Microsoft.Web/sites"}], 501, "NotImplemented", "Microsoft.Web/sites"),
        ([{"type": "Microsoft.Storage/storageAccounts"}], 501, "NotImplemented", "workspaces"),
        ([{**WORKSPACE, "kind": "hub"}], 501, "NotImplemented", "hub"),
        ([{**WORKSPACE, "name": "[concat('a', 'b')]"}], 501, "NotImplemented", "concat"),
        ([{**WORKSPACE, "name": "a name"}], 400, "UserError", "a name"),
        ([{**WORKSPACE, "name": None}], 400, "InvalidTemplate", "name"),
        ([], 400, "InvalidTemplate", "resources"),
        (["x"], 400, "InvalidTemplate", "object"),
    ],
    ids=["another-type", "no-workspace", "a-hub", "an-expression", "a-bad-name", "no-name", "empty", "no-object"],
)
def test_what_else_a_template_has_is_refused_by_name(
    deployments: Callable[..., Any],
    assert_azure_error: Callable[..., None],
    resources: list[Any],
    status: int,
    code: str,
    words: str,
) -> None:
    assert_azure_error(deployments(*resources), status, code, words)


def test_parameters_have_defaults(deployments: Callable[..., Any]) -> None:
    made = deployments(WORKSPACE).json()["properties"]
    assert made["provisioningState"] == "Succeeded"
    assert made["outputResources"][0]["id"].endswith("/workspaces/by-default")
    assert deployments(WORKSPACE, name="given").json()["properties"]["outputResources"][0]["id"].endswith("/given")


def test_a_private_endpoint_is_refused(
    deployments: Callable[..., Any], assert_azure_error: Callable[..., None]
) -> None:
    refused = deployments(WORKSPACE, name="private", privateEndpointType="AutoApproval")
    assert_azure_error(refused, 501, "NotImplemented", "privateEndpoints")
