"""Workspaces created as the SDK creates them, by a template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

WORKSPACE = {"type": "Microsoft.MachineLearningServices/workspaces", "name": "[parameters('name')]"}


def test_the_sdk_creates_updates_and_deletes_a_workspace(ml_client: Any) -> None:
    from azure.ai.ml.entities import Workspace

    workspaces = ml_client.workspaces
    # when the SDK creates a workspace, twice
    wanted: dict[str, Any] = {"display_name": "Created", "description": "by a template", "tags": {"team": "risk"}}
    workspaces.begin_create(Workspace(name="created", **wanted)).result()
    again = workspaces.begin_create(Workspace(name="created", location="westeurope", tags={"more": "1"})).result()
    # then it has the properties of both, and stays where it is
    found = workspaces.get("created")
    assert (again.name, found.display_name, found.description) == ("created", "Created", "by a template")
    assert (found.location, found.tags["team"], found.tags["more"]) == ("eastus", "risk", "1")
    assert "created" in [each.name for each in workspaces.list()]
    # and its tags can be replaced
    changed = workspaces.begin_update(Workspace(name="created", tags={"only": "this"})).result()
    assert changed.tags == {"only": "this"}
    # and it can be deleted with what Azure has beside it
    workspaces.begin_delete("created", delete_dependent_resources=True).result()
    assert "created" not in [each.name for each in workspaces.list()]


def test_what_stands_beside_a_workspace_has_a_name_only(
    http: Any, workspace: str, assert_azure_error: Callable[..., None]
) -> None:
    named = http.get(workspace).json()["properties"]["applicationInsights"]
    found = http.get(named, params={"api-version": "2015-05-01"}).json()
    assert (found["id"], found["type"], found["properties"]) == (named, "Microsoft.insights/components", {})
    assert_azure_error(http.get(f"{named}x"), 404, "ResourceNotFound", "was not found")


@pytest.fixture
def deployments(http: Any, emulator: Any) -> Callable[..., Any]:
    """Deploys a template with these resources."""
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
        ([{**WORKSPACE, "kind": "planet"}], 501, "NotImplemented", "planet"),
        ([{**WORKSPACE, "name": "[concat('a', 'b')]"}], 501, "NotImplemented", "concat"),
        ([{**WORKSPACE, "name": "a name"}], 400, "UserError", "a name"),
        ([{**WORKSPACE, "name": None}], 400, "InvalidTemplate", "name"),
        ([], 400, "InvalidTemplate", "resources"),
        (["x"], 400, "InvalidTemplate", "object"),
    ],
    ids=[
        "another-type",
        "no-workspace",
        "another-kind",
        "an-expression",
        "a-bad-name",
        "no-name",
        "empty",
        "not-an-object",
    ],
)
def test_unsupported_templates_are_refused_with_the_reason(
    deployments: Callable[..., Any],
    assert_azure_error: Callable[..., None],
    resources: list[Any],
    status: int,
    code: str,
    words: str,
) -> None:
    assert_azure_error(deployments(*resources), status, code, words)


def test_parameters_have_defaults(deployments: Callable[..., Any]) -> None:
    created = deployments(WORKSPACE).json()["properties"]
    assert created["provisioningState"] == "Succeeded"
    assert created["outputResources"][0]["id"].endswith("/workspaces/by-default")
    assert deployments(WORKSPACE, name="given").json()["properties"]["outputResources"][0]["id"].endswith("/given")


def test_a_private_endpoint_is_refused(
    deployments: Callable[..., Any], assert_azure_error: Callable[..., None]
) -> None:
    refused = deployments(WORKSPACE, name="private", privateEndpointType="AutoApproval")
    assert_azure_error(refused, 501, "NotImplemented", "privateEndpoints")


def test_a_managed_network_is_refused(deployments: Callable[..., Any], assert_azure_error: Callable[..., None]) -> None:
    network = {"isolationMode": "AllowOnlyApprovedOutbound"}
    refused = deployments(WORKSPACE, name="isolated", managedNetwork=network)
    assert_azure_error(refused, 501, "NotImplemented", "managed networks")
    assert deployments(WORKSPACE, name="open", managedNetwork={"isolationMode": "Disabled"}).status_code == 201
