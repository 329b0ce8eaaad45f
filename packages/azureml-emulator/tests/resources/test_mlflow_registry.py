"""MLflow's model registry is the workspace's: its REST API on one side, the SDK on the other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

Ask = Callable[..., httpx.Response]


@pytest.fixture
def name() -> str:
    return f"Model-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def ask(http: httpx.Client, workspace: str) -> Ask:
    """Sends a request to the registry of the workspace; parameters go where MLflow's clients put them."""

    def send(method: str, route: str, **given: Any) -> httpx.Response:
        url = f"/mlflow/v2.0{workspace}/api/2.0/mlflow/{route}"
        return http.get(url, params=given) if method == "GET" else http.request(method, url, json=given)

    return send


@pytest.fixture
def registered(ml_client: Any, tmp_path: Path, name: str) -> str:
    """The name of a model that the SDK has registered in version 1."""
    from azure.ai.ml.entities import Model

    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.txt").write_text("1 2 3")
    ml_client.models.create_or_update(Model(name=name, path=str(tmp_path / "m"), tags={"a": "b"}))
    return name


def test_a_model_of_the_sdk_is_a_registered_model(ask: Ask, registered: str) -> None:
    model = ask("GET", "registered-models/get", name=registered).json()["registered_model"]
    (latest,) = model["latest_versions"]
    assert model["name"] == registered
    assert (latest["version"], latest["current_stage"], latest["status"]) == ("1", "None", "READY")
    assert latest["tags"] == [{"key": "a", "value": "b"}]
    assert ask("GET", "model-versions/get", name=registered, version="1").json()["model_version"] == latest


def test_versions_are_numbered_once(ml_client: Any, ask: Ask, registered: str, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    # registered by MLflow at the same time, from another version
    with ThreadPoolExecutor(4) as pool:
        source = {"name": registered, "source": f"models:/{registered}/1"}
        replies = list(pool.map(lambda _: ask("POST", "model-versions/create", **source), range(4)))
    numbers = [reply.json()["model_version"]["version"] for reply in replies]
    assert sorted(numbers) == ["2", "3", "4", "5"]
    # and then by the SDK
    other = tmp_path / "other.txt"
    other.write_text("other")
    assert ml_client.models.create_or_update(Model(name=registered, path=str(other))).version == "6"
    assert {each.version for each in ml_client.models.list(name=registered)} == set("123456")


def test_stages_move_and_archive_others(ml_client: Any, ask: Ask, registered: str) -> None:
    ask("POST", "model-versions/create", name=registered, source=f"models:/{registered}/1")
    for version in ("1", "2"):
        body = {"name": registered, "version": version, "stage": "production", "archive_existing_versions": True}
        assert ask("POST", "model-versions/transition-stage", **body).status_code == 200
    assert [ml_client.models.get(registered, version).stage for version in ("1", "2")] == ["Archived", "Production"]
    latest = ask("POST", "registered-models/get-latest-versions", name=registered, stages=["Production"]).json()
    assert [each["version"] for each in latest["model_versions"]] == ["2"]


def test_aliases_tags_and_descriptions(ml_client: Any, ask: Ask, registered: str) -> None:
    one = {"name": registered, "version": "1"}
    for method, route, given in (
        ("POST", "registered-models/alias", {**one, "alias": "champion"}),
        ("POST", "registered-models/set-tag", {"name": registered, "key": "team", "value": "x"}),
        ("PATCH", "registered-models/update", {"name": registered, "description": "all"}),
        ("POST", "model-versions/set-tag", {**one, "key": "c", "value": "d"}),
        ("DELETE", "model-versions/delete-tag", {**one, "key": "a"}),
        ("PATCH", "model-versions/update", {**one, "description": "first"}),
    ):
        assert ask(method, route, **given).status_code == 200, route
    version, container = ml_client.models.get(registered, "1"), ask("GET", "registered-models/get", name=registered)
    assert (version.tags, version.description) == ({"c": "d"}, "first")
    assert version.properties == {"mlflow.aliases": "champion"}
    model = container.json()["registered_model"]
    assert (model["description"], model["tags"]) == ("all", [{"key": "team", "value": "x"}])
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    by_alias = ask("GET", "registered-models/alias", name=registered, alias="champion").json()
    assert by_alias["model_version"]["aliases"] == ["champion"]
    ask("DELETE", "registered-models/alias", name=registered, alias="champion")
    assert ml_client.models.get(registered, "1").properties == {}


def test_a_deleted_version_takes_its_alias_along_but_not_its_number(ask: Ask, registered: str) -> None:
    one = {"name": registered, "version": "1"}
    source = {"name": registered, "source": f"models:/{registered}/1"}
    ask("POST", "model-versions/create", **source)
    ask("POST", "registered-models/alias", **{**one, "version": "2", "alias": "old"})
    assert ask("DELETE", "model-versions/delete", **{**one, "version": "2"}).status_code == 200
    assert ask("GET", "registered-models/get", name=registered).json()["registered_model"]["aliases"] == []
    assert ask("GET", "registered-models/alias", name=registered, alias="old").status_code == 404
    assert ask("POST", "model-versions/create", **source).json()["model_version"]["version"] == "3"


def test_names_compare_without_case_and_show_as_written(ask: Ask, registered: str) -> None:
    found = ask("GET", "registered-models/get", name=registered.lower()).json()["registered_model"]
    assert found["name"] == registered
    again = ask("POST", "registered-models/create", name=registered.upper())
    assert (again.status_code, again.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")


def test_searches_have_pages(ask: Ask, registered: str) -> None:
    for _ in range(2):
        ask("POST", "model-versions/create", name=registered, source=f"models:/{registered}/1")
    query = {"filter": f"name = '{registered}'", "max_results": 2, "order_by": ["version_number ASC"]}
    first = ask("GET", "model-versions/search", **query).json()
    second = ask("GET", "model-versions/search", **query, page_token=first["next_page_token"]).json()
    assert [each["version"] for each in (*first["model_versions"], *second["model_versions"])] == ["1", "2", "3"]
    assert "next_page_token" not in second
    assert [
        each["name"]
        for each in ask("GET", "registered-models/search", filter=query["filter"]).json()["registered_models"]
    ] == [registered]


def test_files_of_a_version_are_read_but_not_changed(
    ask: Ask, http: httpx.Client, emulator: Any, registered: str
) -> None:
    uri = ask("GET", "model-versions/get-download-uri", name=registered, version="1").json()["artifact_uri"]
    base, _, path = uri.partition("/artifacts/")
    (file,) = http.get(f"{base}/artifacts", params={"path": path}).json()["files"]
    assert file == {"path": "weights.txt", "is_dir": False, "file_size": 5}
    assert http.get(f"{uri}/weights.txt").text == "1 2 3"
    assert http.put(f"{uri}/weights.txt", content=b"9").status_code == 403
    assert http.get(f"{uri.rpartition('/models/')[0]}/..%2F..%2F..%2Fx").status_code == 400
    outside = f"{base}/artifacts/registered/{path.split('/')[1]}/{path.split('/')[2]}/other"
    assert http.get(outside).status_code == 404
    assert http.get(f"{uri}/weights.txt", headers={"Host": "evil.example"}).status_code == 403


def test_pages_of_other_sites_change_nothing(ask: Ask, http: httpx.Client, registered: str) -> None:
    uri = ask("GET", "model-versions/get-download-uri", name=registered, version="1").json()["artifact_uri"]
    url = f"{uri.partition('/api/')[0]}/api/2.0/mlflow/registered-models/set-tag"
    for origin, status in (("http://evil.example", 403), ("null", 403), (uri.partition("/api/")[0], 200)):
        body = {"name": registered, "key": "k", "value": origin}
        # The bare address is that of the default workspace, which is the one of this test.
        assert http.post(url, json=body, headers={"Origin": origin}).status_code == status
    model = ask("GET", "registered-models/get", name=registered).json()["registered_model"]
    assert [tag["value"] for tag in model["tags"]] == [uri.partition("/api/")[0]]


@pytest.mark.parametrize(
    ("method", "route", "given", "status", "code"),
    [
        ("GET", "registered-models/get", {"name": "missing"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "registered-models/get", {}, 400, "INVALID_PARAMETER_VALUE"),
        ("GET", "model-versions/get", {"name": "missing", "version": "1"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "registered-models/create", {"name": "a b/c"}, 400, "INVALID_PARAMETER_VALUE"),
        ("POST", "model-versions/create", {"name": "missing", "source": "x"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "registered-models/rename", {"name": "a", "new_name": "b"}, 501, "NOT_IMPLEMENTED"),
        ("GET", "registered-models/search", {"filter": "nonsense"}, 400, "INVALID_PARAMETER_VALUE"),
        ("GET", "registered-models/search", {"max_results": "x"}, 400, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_errors_are_mlflows(ask: Ask, method: str, route: str, given: dict[str, str], status: int, code: str) -> None:
    reply = ask(method, route, **given)
    assert (reply.status_code, reply.json()["error_code"]) == (status, code)
    assert reply.json()["message"]


@pytest.mark.parametrize("source", ["file:///etc", "/etc", "s3://bucket/m", "runs:/unknown/model", "dbfs:/m", ""])
def test_sources_outside_of_the_workspace_are_refused(ask: Ask, registered: str, source: str) -> None:
    reply = ask("POST", "model-versions/create", name=registered, source=source)
    assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_invalid_values_of_versions_are_refused(ask: Ask, registered: str) -> None:
    one = {"name": registered, "version": "1"}
    for route, given in (
        ("model-versions/transition-stage", {**one, "stage": "Best"}),
        ("registered-models/alias", {**one, "alias": "latest"}),
    ):
        reply = ask("POST", route, **given)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_registry_has_mlflows_view_too(
    emulator: Any, http: httpx.Client, workspace: str, registry_client: Any, name: str, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model

    (tmp_path / "m.txt").write_text("m")
    registry_client.models.create_or_update(Model(name=name, path=str(tmp_path / "m.txt"), version="1"))
    named = emulator.variables["AZUREML_REGISTRY_NAME"]
    for spelled in (named, named.upper()):
        base = f"/mlflow/v1.0{workspace.partition('/workspaces/')[0]}/registries/{spelled}/api/2.0/mlflow"
        found = http.get(f"{base}/registered-models/get", params={"name": name}).json()["registered_model"]
        assert [each["version"] for each in found["latest_versions"]] == ["1"]
        asked = {"name": name, "version": "1"}
        uri = http.get(f"{base}/model-versions/get-download-uri", params=asked).json()["artifact_uri"]
        assert http.get(f"{uri}/m.txt").text == "m"
    assert http.get(f"{base}/experiments/search").status_code == 501
