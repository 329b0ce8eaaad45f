"""What is kept as a document, by the SDK, and what is refused by name because it would run on Azure."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator


@pytest.fixture
def name() -> str:
    return f"doc-{uuid.uuid4().hex[:8]}"


def test_a_connection_keeps_its_secrets_to_itself(ml_client: Any, name: str, http: Any, workspace: str) -> None:
    from azure.ai.ml.entities import AzureOpenAIConnection, PatTokenConfiguration, WorkspaceConnection
    from azure.core.exceptions import ResourceNotFoundError

    # given connections of two categories
    git = WorkspaceConnection(
        name=name, type="git", target="https://example.org", credentials=PatTokenConfiguration(pat="secret")
    )
    ml_client.connections.create_or_update(git)
    ml_client.connections.create_or_update(
        AzureOpenAIConnection(name=f"{name}-ai", azure_endpoint="https://example.org", api_key="key")
    )
    # when they are read and listed
    assert [found.name for found in ml_client.connections.list("git")] == [name]
    assert http.get(f"{workspace}/connections/{name}").json()["properties"]["credentials"] is None
    # then only those who ask for secrets get them
    assert ml_client.connections.get(f"{name}-ai", populate_secrets=True).api_key == "key"
    for each in (name, f"{name}-ai"):
        ml_client.connections.delete(each)
        with pytest.raises(ResourceNotFoundError):
            ml_client.connections.get(each)


def test_datastores_of_other_types_are_documents(ml_client: Any, name: str) -> None:
    from azure.ai.ml import Input, command
    from azure.ai.ml.entities import (
        AccountKeyConfiguration,
        AzureDataLakeGen1Datastore,
        AzureDataLakeGen2Datastore,
        AzureFileDatastore,
        ServicePrincipalConfiguration,
    )
    from azure.core.exceptions import HttpResponseError

    stem = name.replace("-", "_")
    some = str(uuid.uuid4())
    principal = ServicePrincipalConfiguration(tenant_id=some, client_id=some, client_secret="secret")
    stores = {
        "file": AzureFileDatastore(
            name=f"{stem}f", account_name="a", file_share_name="s", credentials=AccountKeyConfiguration(account_key="k")
        ),
        "gen2": AzureDataLakeGen2Datastore(name=f"{stem}2", account_name="a", filesystem="s", credentials=principal),
        "gen1": AzureDataLakeGen1Datastore(name=f"{stem}1", store_name="a"),
    }
    for store in stores.values():
        assert ml_client.datastores.create_or_update(store).type == store.type

    found = {key: ml_client.datastores.get(store.name, include_secrets=True) for key, store in stores.items()}
    assert (found["file"].account_name, found["file"].credentials.account_key) == ("a", "k")
    assert found["gen2"].credentials.client_secret == "secret"
    # and a job that reads from one is told why it cannot
    job = command(
        command="ls ${{inputs.x}}",
        inputs={"x": Input(type="uri_folder", path=f"azureml://datastores/{stem}f/paths/x")},
        environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        compute="cpu-cluster",
    )
    made = ml_client.jobs.create_or_update(job, experiment_name="documents")
    with pytest.raises(Exception, match="keeps as a document"):
        ml_client.jobs.stream(made.name)
    for store in stores.values():
        ml_client.datastores.delete(store.name)
    with pytest.raises(HttpResponseError):
        ml_client.datastores.get(stores["file"].name)


def test_entities_and_feature_sets_are_versions(ml_client: Any, http: Any, workspace: str, name: str) -> None:
    from azure.ai.ml.entities import DataColumn, DataColumnType, FeatureStoreEntity

    columns = [DataColumn(name="driver", type=DataColumnType.LONG)]
    entity = FeatureStoreEntity(name=name, version="1", index_columns=columns, description="drivers")
    made = ml_client.feature_store_entities.begin_create_or_update(entity).result()
    assert (made.index_columns[0].name, made.description) == ("driver", "drivers")
    assert [found.version for found in ml_client.feature_store_entities.list(name)] == ["1"]

    version = f"{workspace}/featuresets/{name}/versions/1"
    body = {"properties": {"entities": [f"azureml:{name}:1"], "specification": {"path": "x"}, "stage": "Development"}}
    assert http.put(version, json=body).json()["properties"]["entities"] == [f"azureml:{name}:1"]
    assert ml_client.feature_sets.get(name, "1").entities == [f"azureml:{name}:1"]


def test_hubs_projects_and_feature_stores_are_workspaces(
    fresh_emulator: Callable[..., RunningEmulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import FeatureStore, Hub, Project
    from azure.identity import DefaultAzureCredential

    # given an emulator that creates nothing by itself
    running = fresh_emulator(strict=True)
    for variable, value in running.variables.items():
        monkeypatch.setenv(variable, value)
    client = MLClient(
        DefaultAzureCredential(),
        running.variables["AZURE_SUBSCRIPTION_ID"],
        running.variables["AZURE_RESOURCE_GROUP"],
    )
    # when each is created by the SDK's template
    hub = client.workspaces.begin_create(Hub(name="the-hub", location="eastus")).result()
    project = client.workspaces.begin_create(Project(name="the-project", hub_id=hub.id, location="eastus")).result()
    store = client.feature_stores.begin_create(FeatureStore(name="the-store", location="eastus")).result()
    # then it comes back as what it is
    assert [type(each) for each in (hub, project, store)] == [Hub, Project, FeatureStore]
    assert project.hub_id == hub.id


REFUSED = {
    "package": ("POST", "models/m/versions/1/package", "endpoint"),
    "materialisation": ("POST", "featuresets/f/versions/1/backfill", "Spark"),
    "serverless endpoint": ("PUT", "serverlessEndpoints/s", "online endpoint"),
    "marketplace": ("PUT", "marketplaceSubscriptions/m", "register a model"),
    "network": ("PUT", "outboundRules/r", "loopback"),
}


@pytest.mark.parametrize(("method", "route", "advice"), REFUSED.values(), ids=REFUSED)
def test_what_would_run_on_azure_is_refused_with_advice(
    http: Any, workspace: str, assert_azure_error: Any, method: str, route: str, advice: str
) -> None:
    reply = http.request(method, f"{workspace}/{route}", json={"properties": {}})
    assert_azure_error(reply, 501, "NotImplemented", route, advice)
