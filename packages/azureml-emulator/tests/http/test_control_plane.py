"""Tokens, refused requests, and the resources besides assets: workspaces, datastores, computes."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.fixture
def name() -> str:
    return f"n{uuid.uuid4().hex[:10]}"


PROTECTED = {
    "arm": "{workspace}",
    "arm in other case": "/SUBSCRIPTIONS/{rest}",
    "registry front door": "/mferp/managementfrontend{workspace}",
    "registry discovery": "/registrymanagement/v1.0/registries/r/discovery",
    "run history": "/history/v1.0{workspace}/runs/x/details",
    "mlflow": "/mlflow/v1.0{workspace}/api/2.0/mlflow/experiments/search",
    "summary": "/_emulator/summary",
    "metrics": "/_emulator/metrics",
}


@pytest.mark.parametrize("route", PROTECTED.values(), ids=PROTECTED.keys())
@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer", "Bearer a.b.c", "forged", "unsigned"])
def test_requests_without_a_valid_token_are_refused(
    emulator: Any,
    http: httpx.Client,
    workspace: str,
    assert_azure_error: Callable[..., None],
    route: str,
    authorization: str,
) -> None:
    header, payload, signature = emulator.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    given = {
        "forged": f"Bearer {header}.{payload}.{signature[::-1]}",
        "unsigned": f"Bearer {none}.{payload}.",
    }
    path = route.format(workspace=workspace, rest=workspace.removeprefix("/subscriptions/"))
    reply = http.get(path, headers={"Authorization": given.get(authorization, authorization)})
    code = "AuthenticationFailed" if authorization in {"", "Basic abc", "Bearer"} else "InvalidAuthenticationToken"
    assert_azure_error(reply, 401, code)
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


def test_the_identity_route_requires_its_secret(
    emulator: Any, http: httpx.Client, assert_azure_error: Callable[..., None]
) -> None:
    ask = {"resource": "https://management.azure.com/.default", "api-version": "2019-08-01"}
    for header in ({}, {"X-IDENTITY-HEADER": "wrong"}):
        assert_azure_error(http.get("/msi/token", params=ask, headers=header), 401, "Unauthorized")
    secret = {"X-IDENTITY-HEADER": emulator.variables["IDENTITY_HEADER"]}
    token = http.get("/msi/token", params=ask, headers=secret).json()
    payload = token["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == "https://management.azure.com"
    assert claims["exp"] == int(token["expires_on"])
    assert_azure_error(http.get("/msi/token", headers=secret), 400, "BadRequest", "resource")


OUTSIDE = (
    ("GET", "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/eastus/quotas"),
    ("POST", "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/eastus/updateQuotas"),
    ("GET", "/subscriptions/s/providers/Microsoft.Compute/skus"),
    ("GET", "/subscriptions/s/resourceGroups/g/resources"),
    ("GET", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/a"),
    ("POST", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Resources/deployments/n/validate"),
    ("PUT", "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"),
    ("PATCH", "/providers/Microsoft.Management/managementGroups/m"),
    ("GET", "/mferp/managementfrontend/subscriptions/s/somewhere"),
    ("GET", "/modelmanagement/v1.0/anything"),
    ("HEAD", "/subscriptions/s/anything"),
)


@pytest.mark.parametrize(("method", "path"), OUTSIDE, ids=[f"{method} {path[-20:]}" for method, path in OUTSIDE])
def test_unknown_routes_outside_of_workspaces_are_501_with_their_name(
    http: httpx.Client, assert_azure_error: Callable[..., None], method: str, path: str
) -> None:
    reply = http.request(method, path, params={"api-version": "2023-04-01"})
    if method == "HEAD":
        assert reply.status_code == 501
    else:
        assert_azure_error(reply, 501, "NotImplemented", method, path, "2023-04-01")


def test_unknown_routes_are_501_with_their_name(
    http: httpx.Client, workspace: str, assert_azure_error: Callable[..., None]
) -> None:
    for method, path in (
        ("GET", "/somewhere/else"),
        ("PUT", f"{workspace}/labelingJobs/x"),
        ("GET", f"{workspace}/outboundRules"),
        ("POST", f"{workspace}/environments/e/versions/1/publish"),
    ):
        if method == "POST":
            http.put(f"{workspace}/environments/e/versions/1", json={"properties": {"image": "example.org/i"}})
        reply = http.request(method, path, params={"api-version": "2023-04-01"})
        assert_azure_error(reply, 501, "NotImplemented", method, path, "2023-04-01")


TAGS = {
    "too many": {f"t{number}": "x" for number in range(51)},
    "a long name": {"n" * 513: "x"},
    "a long value": {"a": "v" * 257},
}


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_more_or_longer_tags_than_azure_takes_are_refused(
    http: httpx.Client, workspace: str, assert_azure_error: Callable[..., None], tags: dict[str, str]
) -> None:
    endpoint = {"location": "eastus", "properties": {"authMode": "Key"}}
    refused = http.put(f"{workspace}/onlineEndpoints/tagged", json={**endpoint, "tags": tags})
    assert_azure_error(refused, 400, "UserError", "must be at most")
    # Tags of assets and jobs are not those of Azure Resource Manager.
    asset = {"properties": {"image": "example.org/i", "tags": tags}}
    assert http.put(f"{workspace}/environments/tagged/versions/1", json=asset).status_code in {200, 201}


BAD_BODIES = {"not JSON": b"{", "a list": b"[]", "properties that are text": b'{"properties": "x"}'}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bodies_that_are_not_a_resource(http: httpx.Client, workspace: str, body: bytes) -> None:
    reply = http.put(f"{workspace}/environments/bad/versions/1", content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] in {"InvalidRequestContent", "BadRequest"}


SHAPES = {
    "a cluster's properties": ("computes/bad", {"computeType": "AmlCompute", "properties": "x"}),
    "a cluster's scale": (
        "computes/bad",
        {"computeType": "AmlCompute", "properties": {"vmSize": "x", "scaleSettings": "y"}},
    ),
    "a datastore's account": ("datastores/bad", {"datastoreType": "AzureBlob", "accountName": 1}),
    "a datastore's credentials": (
        "datastores/bad",
        {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "b", "credentials": "x"},
    ),
    "a job's properties": ("jobs/bad", {"computeType": "AmlCompute", "properties": "x"}),
    "a job's tags": ("jobs/bad", {"jobType": "Command", "tags": ["x"]}),
    "a code's address": ("codes/bad/versions/1", {}),
    "data's address": ("data/bad/versions/1", {"dataUri": 3}),
    "a model's address": ("models/bad/versions/1", {"modelUri": ["x"]}),
}


@pytest.mark.parametrize(("path", "properties"), SHAPES.values(), ids=SHAPES.keys())
def test_properties_of_the_wrong_type_are_refused(
    http: httpx.Client,
    workspace: str,
    assert_azure_error: Callable[..., None],
    path: str,
    properties: dict[str, Any],
) -> None:
    assert_azure_error(http.put(f"{workspace}/{path}", json={"properties": properties}), 400, "UserError")
    assert http.get(f"{workspace}/{path}").status_code == 404


@pytest.mark.parametrize("body", [{"properties": "x"}, {"properties": {"properties": "x"}}, {"tags": "x"}], ids=str)
def test_a_patch_of_the_wrong_type_changes_nothing(http: httpx.Client, workspace: str, body: dict[str, Any]) -> None:
    # given a resource
    path = f"{workspace}/computes/cpu-cluster"
    before = http.get(path).json()
    # when a patch has text instead of an object
    reply = http.patch(path, json=body)
    # then it is refused
    assert reply.status_code == 400
    assert "must be an object" in reply.json()["error"]["message"]
    assert http.get(path).json() == before


def test_a_step_for_images_is_refused_as_such(http: httpx.Client, workspace: str, assert_azure_error: Any) -> None:
    # given a search space as the SDK sends it for images: a list
    space = [{"model_name": {"type": "choice", "values": ["vitb16r224"]}}]
    step = {"type": "automl", "task": "image_classification", "search_space": space}
    body = {"properties": {"jobType": "Pipeline", "jobs": {"a": step}}}
    reply = http.put(f"{workspace}/jobs/images", params={"api-version": "2024-01-01-preview"}, json=body)
    assert_azure_error(reply, 501, "NotImplemented", "Models of images need a GPU")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("models/odd", b'{"properties": {"description": NaN}}'),
        ("models/odd", b'{"properties": {"description": "\\ud800"}}'),
        ("models/odd", b'{"tags": ' * 5_000 + b"{}" + b"}" * 5_000),
        ("models/odd", b"[" * 100_000),
        ("models/odd", b"9" * 6_000),
        ("components/odd/versions/1", b'{"properties": {"componentSpec": {"inputs": 0}}}'),
        ("components/odd/versions/1", b'{"properties": {"componentSpec": "x"}}'),
        ("data/odd/versions/1", b'{"properties": {"dataUri": "azureml://datastores/d/paths/x", "dataType": [""]}}'),
        ("onlineEndpoints/odd-one", b'{"properties": {"authMode": "Key", "traffic": ["blue"]}}'),
        ("onlineEndpoints/odd-one/deployments/blue", b'{"properties": {"model": true}}'),
        ("batchEndpoints/odd-one/deployments/one", b'{"properties": {"model": "azureml:m:1"}}'),
        ("batchEndpoints/odd-one/deployments/one", b'{"properties": {"model": {"assetId": 5}}}'),
        (
            "onlineEndpoints/odd-one/deployments/blue",
            b'{"properties": {"codeConfiguration": {"scoringScript": "s.py"}}}',
        ),
        ("schedules/odd", b'{"properties": {"action": {"actionType": {}}}}'),
        ("schedules/odd", b'{"properties": {"trigger": {"triggerType": "Recurrence", "frequency": true}}}'),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else value,
)
def test_a_body_of_an_impossible_shape_is_refused(http: httpx.Client, workspace: str, kind: str, body: bytes) -> None:
    reply = http.put(f"{workspace}/{kind}", content=body)
    assert reply.status_code in {400, 404}, reply.text
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/data/v1.0{workspace}/dataversion/batchGetResolvedUris", {"values": [None]}, "values.0"),
        ("/modelregistry/v1.0{workspace}/models/batchGetResolvedUris", {"values": 5}, "values"),
        ("/history/v1.0{workspace}/rundata", {"runId": 5}, "runId"),
        ("/history/v1.0{workspace}/rundata", {}, "runId"),
    ],
)
def test_a_body_of_the_data_plane_names_the_field_of_another_type(
    http: httpx.Client, workspace: str, path: str, body: dict[str, Any], field: str
) -> None:
    reply = http.post(path.format(workspace=workspace), json=body)
    assert reply.status_code == 400
    assert f"'{field}'" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "conda",
    ["9" * 5_000, "day: 2026-13-45", "a: &a [x]\nb: [*a, *a]", "[" * 5_000, "when: 2026-01-01"],
    ids=["digits", "no day", "alias", "depth", "day"],
)
def test_an_odd_conda_file_is_kept_as_it_is(http: httpx.Client, workspace: str, conda: str) -> None:
    version = f"{workspace}/environments/odd-{abs(hash(conda))}/versions/1"
    reply = http.put(version, json={"properties": {"image": "x", "condaFile": conda}})
    assert reply.status_code == 201, reply.text


def test_workspaces_are_created_on_first_use_and_listed(
    ml_client: Any, credential: Any, emulator: Any, name: str
) -> None:
    from azure.ai.ml import MLClient

    subscription = emulator.settings.subscription
    client = MLClient(credential, subscription, "another-group", name)
    found = client.workspaces.get()
    assert (found.name, found.location) == (name, "eastus")
    assert client.datastores.get_default().name == "workspaceblobstore"
    assert client.compute.get("cpu-cluster").type == "amlcompute"
    assert name in {workspace.name for workspace in client.workspaces.list()}
    assert name not in {workspace.name for workspace in ml_client.workspaces.list()}
    everywhere = {workspace.name for workspace in ml_client.workspaces.list(scope="subscription")}
    assert {name, emulator.settings.workspace} <= everywhere


def test_workspaces_are_isolated(credential: Any, emulator: Any, name: str) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceNotFoundError

    one, two = (MLClient(credential, emulator.settings.subscription, "group", f"{name}{end}") for end in "ab")
    one.environments.create_or_update(Environment(name=name, version="1", image="example.org/image:1"))
    with pytest.raises(ResourceNotFoundError):
        two.environments.get(name, "1")


def test_datastores_are_created_used_and_deleted(ml_client: Any, name: str, tmp_path: Path) -> None:
    from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore, Data
    from azure.core.exceptions import HttpResponseError

    given = AzureBlobDatastore(
        name=name,
        account_name="account",
        container_name="container",
        credentials=AccountKeyConfiguration(account_key="never shown"),
    )
    ml_client.datastores.create_or_update(given)
    assert name in {datastore.name for datastore in ml_client.datastores.list()}
    assert "never shown" not in str(ml_client.datastores.get(name).__dict__)
    (tmp_path / "a.txt").write_text("a")
    data = Data(name=name, version="1", path=str(tmp_path / "a.txt"), type="uri_file", datastore=name)
    assert f"/datastores/{name}/" in f"/{ml_client.data.create_or_update(data).path}"
    ml_client.datastores.delete(name)
    assert name not in {datastore.name for datastore in ml_client.datastores.list()}
    with pytest.raises(HttpResponseError, match="default datastore"):
        ml_client.datastores.delete("workspaceblobstore")


def test_other_kinds_of_datastores_are_not_modelled(
    http: Any, workspace: str, name: str, assert_azure_error: Any
) -> None:
    reply = http.put(f"{workspace}/datastores/{name}", json={"properties": {"datastoreType": "Hdfs"}})
    assert_azure_error(reply, 501, "NotImplemented", "not 'Hdfs'")


def test_clusters(ml_client: Any, name: str) -> None:
    from azure.ai.ml.entities import AmlCompute
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    made = ml_client.compute.begin_create_or_update(
        AmlCompute(name=name, size="Standard_DS3_v2", min_instances=0, max_instances=3)
    ).result()
    assert (made.size, made.max_instances, made.provisioning_state) == ("STANDARD_DS3_V2", 3, "Succeeded")
    assert list(ml_client.compute.list_nodes(name)) == []
    wrong = AmlCompute(name=f"{name}x", size="Standard_DS3_v2", min_instances=4, max_instances=3)
    with pytest.raises(HttpResponseError, match="between 4 and 3 nodes"):
        ml_client.compute.begin_create_or_update(wrong).result()
    with pytest.raises(HttpResponseError, match="is a cluster"):
        ml_client.compute.begin_stop(name).result()
    ml_client.compute.begin_delete(name).wait()
    with pytest.raises(ResourceNotFoundError):
        ml_client.compute.get(name)


def test_instances_start_and_stop(ml_client: Any, name: str) -> None:
    from azure.ai.ml.entities import ComputeInstance

    made = ml_client.compute.begin_create_or_update(ComputeInstance(name=name, size="Standard_DS3_v2")).result()
    assert made.state == "Running"
    ml_client.compute.begin_stop(name).wait()
    assert ml_client.compute.get(name).state == "Stopped"
    ml_client.compute.begin_start(name).wait()
    assert ml_client.compute.get(name).state == "Running"


def test_long_lists_are_paged(http: httpx.Client, workspace: str, name: str) -> None:
    # given more versions than a page holds
    for number in range(205):
        body = {"properties": {"image": f"example.org/image:{number}"}}
        assert http.put(f"{workspace}/environments/{name}/versions/{number}", json=body).status_code == 201
    # when the links are followed
    page = http.get(f"{workspace}/environments/{name}/versions").json()
    found = [entry["name"] for entry in page["value"]]
    page = http.get(page["nextLink"]).json()
    found += [entry["name"] for entry in page["value"]]
    # then each is there once, the newest first
    assert found == [str(number) for number in reversed(range(205))]
    assert "nextLink" not in page
