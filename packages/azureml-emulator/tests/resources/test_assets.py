"""Environments, components, data and models through the unmodified SDK: versions, content, archive, tags."""

from __future__ import annotations

import re
import textwrap
import uuid
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with unique content."""
    package = tmp_path / "package"
    (package / "below").mkdir(parents=True)
    (package / "first.txt").write_text(str(uuid.uuid4()))
    (package / "below" / "empty.txt").write_text("")
    return package


@pytest.fixture
def name() -> str:
    return f"asset-{uuid.uuid4().hex[:8]}"


def register(client: Any, name: str, path: Path | str, **given: Any) -> Any:
    from azure.ai.ml.entities import Model

    return client.models.create_or_update(Model(name=name, path=path, type="custom_model", **given))


def test_a_model_is_downloaded_as_it_was_registered(ml_client: Any, folder: Path, name: str, tmp_path: Path) -> None:
    # given a registered folder
    model = register(ml_client, name, folder)
    # when it is downloaded
    ml_client.models.download(name, model.version, download_path=tmp_path / "back")
    # then the files are the same
    back = tmp_path / "back" / name / "package"
    assert {file.relative_to(back).as_posix(): file.read_text() for file in back.rglob("*") if file.is_file()} == {
        "first.txt": (folder / "first.txt").read_text(),
        "below/empty.txt": "",
    }


def test_a_model_of_one_file_is_downloaded_as_a_file(ml_client: Any, folder: Path, name: str, tmp_path: Path) -> None:
    register(ml_client, name, folder / "first.txt")
    ml_client.models.download(name, "1", download_path=tmp_path / "back")
    files = [file for file in (tmp_path / "back").rglob("*") if file.is_file()]
    assert [file.relative_to(tmp_path / "back" / name).as_posix() for file in files] == ["first.txt"]


def test_versions_without_a_number_count_up(ml_client: Any, folder: Path, name: str) -> None:
    versions = []
    for number in range(3):
        (folder / "first.txt").write_text(f"{name} {number}")
        versions.append(register(ml_client, name, folder).version)
    assert versions == ["1", "2", "3"]
    assert [model.version for model in ml_client.models.list(name)] == ["3", "2", "1"]
    assert ml_client.models.get(name, label="latest").version == "3"


def test_a_version_is_immutable_except_for_its_tags(ml_client: Any, folder: Path, name: str) -> None:
    from azure.core.exceptions import HttpResponseError

    # given a registered version
    model = register(ml_client, name, folder, version="7")
    # when it is registered again with the same content, then with tags
    assert register(ml_client, name, folder, version="7").path == model.path
    model.tags = {"stage": "dev"}
    assert ml_client.models.create_or_update(model).tags == {"stage": "dev"}
    # then both are accepted, and other content is not
    (folder / "first.txt").write_text("other")
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated") as refused:
        register(ml_client, name, folder, version="7")
    assert refused.value.status_code == 400
    assert ml_client.models.get(name, "7").tags == {"stage": "dev"}


def test_the_files_of_a_registered_model_are_immutable(ml_client: Any, folder: Path, name: str) -> None:
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    # given a registered model and the broadest permission of a client
    model = register(ml_client, name, folder)
    datastore = ml_client.datastores.get("workspaceblobstore", include_secrets=True)
    account = f"https://{datastore.account_name.rstrip('?')}"
    container = ContainerClient(account, datastore.container_name, credential=datastore.credentials.sas_token)
    blob = container.get_blob_client(f"{model.path.partition('/paths/')[2]}/first.txt")
    assert blob.download_blob().readall().decode() == (folder / "first.txt").read_text()
    # when its blob is written or deleted, then both are refused
    with pytest.raises(ResourceExistsError, match="immutable"):
        blob.upload_blob(b"forged", overwrite=True)
    with pytest.raises(ResourceExistsError, match="immutable"):
        blob.delete_blob()


def test_a_model_whose_files_do_not_exist_is_refused(ml_client: Any, name: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="job 'no-such-job' does not exist"):
        register(ml_client, name, "azureml://jobs/no-such-job/outputs/model")
    with pytest.raises(HttpResponseError, match="files were not found"):
        register(ml_client, name, "azureml://datastores/workspaceblobstore/paths/no/such/folder")


def test_archived_versions_are_not_listed_until_restored(ml_client: Any, folder: Path, name: str) -> None:
    register(ml_client, name, folder, version="1")
    register(ml_client, name, folder, version="2")
    ml_client.models.archive(name, "2")
    assert [model.version for model in ml_client.models.list(name)] == ["1"]
    ml_client.models.restore(name, "2")
    assert [model.version for model in ml_client.models.list(name)] == ["2", "1"]


def test_an_archived_container_keeps_its_versions(ml_client: Any, folder: Path, name: str) -> None:
    register(ml_client, name, folder)
    ml_client.models.archive(name)
    assert name not in {model.name for model in ml_client.models.list()}
    ml_client.models.restore(name)
    assert {model.name: model.latest_version for model in ml_client.models.list()}[name] == "1"


def test_an_mlflow_model_needs_its_file_and_shows_its_flavors(ml_client: Any, folder: Path, name: str) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    model = Model(name=name, path=folder, type="mlflow_model", version="1")
    with pytest.raises(HttpResponseError, match="MLmodel"):
        ml_client.models.create_or_update(model)
    (folder / "MLmodel").write_text("flavors:\n  onnx:\n    onnx_version: '1.19'\n")
    model = Model(name=name, path=folder, type="mlflow_model", version="2")
    assert ml_client.models.create_or_update(model).flavors == {"onnx": {"onnx_version": "1.19"}}


def test_data_of_a_file_and_of_a_folder(ml_client: Any, folder: Path, name: str) -> None:
    from azure.ai.ml.entities import Data

    for version, path, kind in (("1", folder, "uri_folder"), ("2", folder / "first.txt", "uri_file")):
        data = ml_client.data.create_or_update(Data(name=name, version=version, path=str(path), type=kind))
        assert data.path.rstrip("/").endswith(path.name)
    assert [data.version for data in ml_client.data.list(name)] == ["2", "1"]


def test_data_at_a_public_address_is_not_copied(ml_client: Any, name: str) -> None:
    from azure.ai.ml.entities import Data

    address = "https://example.org/data.csv"
    data = ml_client.data.create_or_update(Data(name=name, version="1", path=address, type="uri_file"))
    assert data.path == address


def test_environments_are_versioned_by_content(ml_client: Any, name: str) -> None:
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceExistsError

    ml_client.environments.create_or_update(Environment(name=name, version="1", image="example.org/image:1"))
    again = ml_client.environments.create_or_update(
        Environment(name=name, version="1", image="example.org/image:1", tags={"a": "b"})
    )
    assert again.tags == {"a": "b"}
    with pytest.raises(ResourceExistsError, match=f"Environment {name} with version 1 is already registered"):
        ml_client.environments.create_or_update(Environment(name=name, version="1", image="example.org/image:2"))
    found = ml_client.environments.get(name, label="latest")
    assert (found.version, found.os_type) == ("1", "Linux")


def test_a_component_has_its_code_and_a_default_version(ml_client: Any, folder: Path, name: str) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    # given a component with code and an environment, in two versions
    environment = ml_client.environments.create_or_update(
        Environment(name=name, version="1", image="example.org/image:1")
    )
    for version in ("1.0.0", "1.1.0"):
        component = command(
            name=name.replace("-", "_"),
            version=version,
            command="python first.txt",
            code=str(folder),
            environment=f"azureml:{environment.name}:{environment.version}",
        ).component
        ml_client.components.create_or_update(component)
    # then the newest is the default, and the code is the same asset in both
    found = [ml_client.components.get(name.replace("-", "_"), version) for version in (None, "1.0.0")]
    assert [component.version for component in found] == ["1.1.0", "1.0.0"]
    assert found[0].code == found[1].code
    # and who uses the default follows the label
    assert [component.id.split("/")[-2:] for component in found] == [["labels", "default"], ["versions", "1.0.0"]]


def test_a_component_without_a_version_gets_a_moment_after_the_first(ml_client: Any, name: str) -> None:
    from azure.ai.ml import command

    made = command(
        name=name.replace("-", "_"),
        command="echo",
        environment="azureml://registries/azureml/environments/sklearn-1.5/versions/1",
    ).component
    versions = [ml_client.components.create_or_update(made).version for _ in range(2)]
    assert versions[0] == "1"
    assert re.fullmatch(r"\d{4}(-\d{2}){5}-\d{7}", versions[1])


@pytest.fixture
def component_file(tmp_path: Path, name: str) -> Path:
    text = f"""
        $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
        name: {name.replace("-", "_")}
        version: "1"
        type: command
        inputs: {{rate: {{type: number, default: 0.5}}, fast: {{type: boolean, optional: true}}}}
        command: echo ${{{{inputs.rate}}}}
        code: code
        environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
    """
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "step.py").write_text(name)
    file = tmp_path / "component.yml"
    file.write_text(textwrap.dedent(text))
    return file


def test_a_component_can_be_described_anew_but_not_changed(ml_client: Any, component_file: Path) -> None:
    from azure.ai.ml import load_component
    from azure.core.exceptions import HttpResponseError

    # given a registered component
    made = ml_client.components.create_or_update(load_component(component_file))
    # when it is read, described differently and sent back
    found = ml_client.components.get(made.name, "1")
    found.description, found.display_name, found.tags = "other", "Other", {"a": "b"}
    changed = ml_client.components.create_or_update(found)
    # then the description is new, and the version is the same
    assert (changed.version, changed.description, changed.display_name) == ("1", "other", "Other")
    assert ml_client.components.get(made.name, "1").tags == {"a": "b"}
    # and other content is refused with the sentence of the service
    for text, field in (("echo ", "command"), ("default: 0.5", "inputs"), ("sklearn-1.5", "environment")):
        other = component_file.with_name(f"{field}.yml")
        other.write_text(component_file.read_text().replace(text, f"{text}1"))
        with pytest.raises(HttpResponseError, match=f'component {made.name} since field "{field}" is immut') as refused:
            ml_client.components.create_or_update(load_component(other))
        assert (refused.value.status_code, "(UserError)" in str(refused.value)) == (400, True)


def test_the_steps_of_a_pipeline_component_cannot_be_changed(
    http: Any, workspace: str, name: str, assert_azure_error: Any
) -> None:
    # given a pipeline component, whose answers have no steps
    version = f"{workspace}/components/{name}/versions/1"
    step = {"type": "command", "componentId": "azureml:first:1", "inputs": {"x": {"value": True}}}
    specification = {"type": "pipeline", "name": name, "version": "1", "jobs": {"a": step}}
    first = http.put(version, json={"properties": {"componentSpec": specification}}).json()["properties"]
    # when it is sent back as it was read, as it was written, and with another step
    again = [first["componentSpec"], specification, {**specification, "jobs": {"b": step}}]
    read, written, other = (http.put(version, json={"properties": {"componentSpec": each}}) for each in again)
    # then only the other step is refused
    assert [reply.status_code for reply in (read, written)] == [200, 200]
    assert_azure_error(other, 400, "UserError", f'component {name} since field "jobs" is immutable')


def test_an_anonymous_component_is_known_by_its_content(ml_client: Any, component_file: Path) -> None:
    from azure.ai.ml import load_component

    # given two components that differ in name and version only
    first, second = load_component(component_file), load_component(component_file)
    second.name, second.version = "other", "2"
    # when both are sent as anonymous ones
    sent = [ml_client.components.create_or_update(each, is_anonymous=True) for each in (first, second)]
    # then they are one, which is answered by the name that was sent
    assert sent[0].id == sent[1].id
    assert [component.name for component in sent] == [first.name, "other"]


@pytest.mark.parametrize(
    ("kind", "first", "other", "sentence"),
    [
        ("codes", {"codeUri": "https://a/1"}, {"codeUri": "https://a/2"}, "Asset paths cannot be updated."),
        (
            "data",
            {"dataUri": "https://a/1", "dataType": "uri_file"},
            {"dataUri": "https://a/2", "dataType": "uri_file"},
            "Asset paths cannot be updated.",
        ),
        (
            "data",
            {"dataUri": "https://a/1", "dataType": "uri_file"},
            {"dataUri": "https://a/1", "dataType": "uri_folder"},
            'since field "dataType" is immutable, try specifying a new version.',
        ),
    ],
    ids=["code", "data", "type"],
)
def test_every_asset_takes_a_description_and_refuses_other_content(
    http: Any, workspace: str, name: str, assert_azure_error: Any, kind: str, first: Any, other: Any, sentence: str
) -> None:
    version = f"{workspace}/{kind}/{name}/versions/1"
    assert http.put(version, json={"properties": first}).status_code == 201
    described = http.put(version, json={"properties": {**first, "description": "new", "tags": {"a": "b"}}})
    assert (described.status_code, described.json()["properties"]["description"]) == (200, "new")
    assert_azure_error(http.put(version, json={"properties": other}), 400, "UserError", sentence)
    assert http.get(version).json()["properties"]["description"] == "new"


@pytest.mark.parametrize(
    "bad", ["with space", "-begins-with-a-hyphen", "a" * 256, "…"], ids=["space", "hyphen", "long", "unicode"]
)
def test_names_that_break_the_pattern_are_refused(http: Any, workspace: str, assert_azure_error: Any, bad: str) -> None:
    reply = http.put(f"{workspace}/environments/{bad}/versions/1", json={"properties": {"image": "example.org/image"}})
    assert_azure_error(reply, 400, "UserError", "must match")


def test_a_name_with_a_slash_is_refused_as_a_name(
    ml_client: Any, http: Any, workspace: str, assert_azure_error: Any, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    # given a name that the SDK does not check, when it uploads or the route is asked
    (tmp_path / "model.txt").touch()
    with pytest.raises(HttpResponseError, match="The name 'm b/d' is not valid for models"):
        ml_client.models.create_or_update(Model(name="m b/d", version="1", path=str(tmp_path)))
    # then it is the name that is wrong, not the route
    assert_azure_error(http.get(f"{workspace}/models/m%20b%2Fd/versions/1"), 404, "UserError", "m b/d")
    assert_azure_error(http.get(workspace.replace("workspaces/", "workspaces/a%2F")), 400, "BadRequest", "slash")
