"""Registries through the unmodified SDK: their own assets, and sharing from a workspace."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "first.txt").write_text(str(uuid.uuid4()))
    return package


@pytest.fixture
def name() -> str:
    return f"shared_{uuid.uuid4().hex[:8]}"


def register(client: Any, name: str, path: Path, version: str = "1") -> Any:
    from azure.ai.ml.entities import Model

    return client.models.create_or_update(Model(name=name, path=path, type="custom_model", version=version))


def content(client: Any, name: str, version: str, target: Path) -> str:
    client.models.download(name, version, download_path=target)
    return (target / name / "package" / "first.txt").read_text()


def share(client: Any, name: str, registry: str, version: str = "1") -> Any:
    return client.models.share(name, version, share_with_name=name, share_with_version=version, registry_name=registry)


def test_a_shared_model_has_the_same_bytes_and_its_registry_id(
    ml_client: Any, registry_client: Any, folder: Path, name: str, tmp_path: Path
) -> None:
    # given a model in a workspace
    register(ml_client, name, folder)
    # when it is shared
    shared = share(ml_client, name, "emulator")
    # then the registry has it, with its own id and in its own storage
    assert shared.id == f"azureml://registries/emulator/models/{name}/versions/1"
    assert content(registry_client, name, "1", tmp_path / "back") == (folder / "first.txt").read_text()
    assert [model.version for model in registry_client.models.list(name)] == ["1"]


def test_sharing_again_is_accepted_only_with_the_same_content(
    ml_client: Any, http: Any, emulator: Any, folder: Path, name: str
) -> None:
    # given a shared model (the SDK reads the registry first, so a second import is sent without it)
    first = register(ml_client, name, folder)
    share(ml_client, name, "emulator")
    (folder / "first.txt").write_text("other")
    register(ml_client, name, folder, version="2")
    found = http.get("/registrymanagement/v1.0/registries/emulator/discovery").json()
    url = (
        f"/mferp/managementfrontend/subscriptions/{found['subscriptionId']}/resourceGroups/{found['resourceGroup']}"
        "/providers/Microsoft.MachineLearningServices/registries/emulator/import"
    )
    workspace = first.id.partition("/models/")[0].rpartition("/")[2]

    def take(version: str) -> dict[str, Any]:
        source = f"azureml://locations/eastus/workspaces/{workspace}/models/{name}/versions/{version}"
        asked = {
            "referenceType": "Id",
            "destinationName": name,
            "destinationVersion": "1",
            "sourceAssetId": source,
        }
        reply = http.post(url, json={"properties": asked})
        assert reply.status_code == 202
        status = http.get(reply.headers["Azure-AsyncOperation"]).json()
        while status["status"] == "InProgress":
            status = http.get(reply.headers["Azure-AsyncOperation"]).json()
        ended = http.get(reply.headers["Location"])
        assert (ended.status_code, ended.content) == (204, b"")
        return status

    # when the same and another version are imported under its version
    assert take("1")["status"] == "Succeeded"
    refused = take("2")
    # then only the same is accepted
    assert (refused["status"], refused["error"]["code"]) == ("Failed", "UserError")
    assert "other content" in refused["error"]["message"]


def test_assets_are_created_in_a_registry(registry_client: Any, folder: Path, name: str) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Data, Environment

    base = "azureml://registries/emulator"
    environment = Environment(name=name, version="1", image="example.org/image:1")
    assert registry_client.environments.create_or_update(environment).id == f"{base}/environments/{name}/versions/1"
    step = command(
        name=name,
        version="1",
        command="python first.txt",
        code=str(folder),
        environment=f"{base}/environments/{name}/versions/1",
    ).component
    assert registry_client.components.create_or_update(step).id == f"{base}/components/{name}/versions/1"
    assert registry_client.components.get(name, "1").version == "1"
    data = Data(name=name, version="1", path=str(folder), type="uri_folder")
    registry_client.data.create_or_update(data)
    assert [found.version for found in registry_client.data.list(name)] == ["1"]


def test_a_model_of_a_registry_is_immutable(registry_client: Any, folder: Path, name: str, tmp_path: Path) -> None:
    from azure.core.exceptions import HttpResponseError

    register(registry_client, name, folder)
    before = (folder / "first.txt").read_text()
    assert register(registry_client, name, folder).version == "1"
    (folder / "first.txt").write_text("other")
    with pytest.raises(HttpResponseError, match="immutable"):
        register(registry_client, name, folder)
    assert content(registry_client, name, "1", tmp_path / "back") == before


def test_environments_and_data_are_shared(ml_client: Any, registry_client: Any, folder: Path, name: str) -> None:
    from azure.ai.ml.entities import Data, Environment

    ml_client.environments.create_or_update(Environment(name=name, version="1", image="example.org/image:1"))
    ml_client.data.create_or_update(Data(name=name, version="1", path=str(folder), type="uri_folder"))
    given = {"share_with_name": name, "share_with_version": "1", "registry_name": "emulator"}
    assert ml_client.environments.share(name, "1", **given).image == "example.org/image:1"
    assert ml_client.data.share(name, "1", **given).path.endswith("/package")
    assert registry_client.environments.get(name, "1").version == "1"


def test_shared_data_of_the_web_keeps_its_address(ml_client: Any, registry_client: Any) -> None:
    from azure.ai.ml.entities import Data

    name, path = f"web-{uuid.uuid4().hex[:8]}", "https://example.com/iris.csv"
    ml_client.data.create_or_update(Data(name=name, version="1", path=path, type="uri_file"))

    ml_client.data.share(
        name=name,
        version="1",
        registry_name=registry_client._operation_scope.registry_name,
        share_with_name=name,
        share_with_version="1",
    )

    assert registry_client.data.get(name, "1").path == path


def test_sharing_an_unknown_model_is_refused(ml_client: Any, name: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="does not exist"):
        share(ml_client, name, "emulator")


def test_the_id_of_an_asset_has_its_registry_in_small_letters(http: Any, workspace: str, name: str) -> None:
    registry = workspace.rpartition("/workspaces/")[0] + "/registries/TestFeed"

    made = http.put(f"{registry}/environments/{name}/versions/1", json={"properties": {"image": "busybox"}}).json()

    assert made["id"] == f"azureml://registries/testfeed/environments/{name}/versions/1"
