"""Components, data and environments in the forms in which the service answers them, and code that is downloaded."""

from __future__ import annotations

import json
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
    return f"form-{uuid.uuid4().hex[:8]}"


def test_a_component_is_downloaded_with_its_code(ml_client: Any, folder: Path, name: str, tmp_path: Path) -> None:
    from azure.ai.ml import command, load_component

    # given a registered component with code
    made = ml_client.components.create_or_update(
        command(
            name=name.replace("-", "_"),
            command="python first.txt",
            code=str(folder),
            environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        ).component
    )
    # when it is downloaded
    ml_client.components.download(made.name, tmp_path / "back", version=made.version)
    # then its files are the registered ones, and it can be registered again
    code = tmp_path / "back" / "code"
    assert {file.relative_to(code).as_posix(): file.read_text() for file in code.rglob("*") if file.is_file()} == {
        "first.txt": (folder / "first.txt").read_text(),
        "below/empty.txt": "",
    }
    again = load_component(tmp_path / "back" / "component_spec.yaml")
    assert ml_client.components.create_or_update(again, version="next").command == made.command


def test_a_component_is_answered_in_normal_form(http: Any, workspace: str, name: str) -> None:
    # given a component with numbers, booleans, and an input without a word on whether it is optional
    specification = {
        "type": "command",
        "command": "echo 1",
        "environment": "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "inputs": {
            "rate": {"type": "number", "default": 0.5, "min": 0},
            "data": {"type": "uri_file", "mode": "direct"},
        },
        "distribution": {"type": "pytorch", "process_count_per_instance": 2},
        "is_deterministic": False,
        "_source": "CLASS",
    }
    path = f"{workspace}/components/{name}/versions/7"
    body = {"properties": {"componentSpec": specification, "description": "one"}}

    # when it is stored, and what was answered is sent back
    made = http.put(path, json=body)
    again = http.put(path, json=made.json())

    # then all scalars are texts, and what Azure adds and drops is there and gone
    answered = made.json()["properties"]["componentSpec"]
    assert answered["inputs"] == {
        "rate": {"type": "number", "default": "0.5", "min": "0", "optional": "False"},
        "data": {"type": "uri_file", "optional": "False"},
    }
    assert answered["distribution"] == {"type": "Pytorch", "process_count_per_instance": "2"}
    assert (answered["version"], answered["is_deterministic"]) == ("7", "False")
    assert answered["resources"] == {"instance_count": "1"}
    assert "_source" not in answered
    assert (again.status_code, again.json()["properties"]["componentSpec"]) == (200, answered)


PATHS = {
    "a file": ("uri_file", "x/y.csv", "x/y.csv"),
    "a folder": ("uri_folder", "x/y", "x/y/"),
    "a folder with a slash": ("uri_folder", "x/y/", "x/y/"),
    "a table": ("mltable", "x", "x/"),
}


@pytest.mark.parametrize(("kind", "path", "expected"), PATHS.values(), ids=PATHS.keys())
def test_the_path_of_data_names_its_workspace(ml_client: Any, name: str, kind: str, path: str, expected: str) -> None:
    from azure.ai.ml.entities import Data

    base = "azureml://datastores/workspaceblobstore/paths/"
    made = ml_client.data.create_or_update(Data(name=name, type=kind, path=f"{base}{path}"))
    scope = f"subscriptions/{ml_client.subscription_id}/resourcegroups/{ml_client.resource_group_name}"
    long = f"azureml://{scope}/workspaces/{ml_client.workspace_name}/datastores/workspaceblobstore/paths/{expected}"
    assert {made.path, ml_client.data.get(name, made.version).path} == {long}
    # and sending it back changes nothing
    made.tags = {"a": "b"}
    assert ml_client.data.create_or_update(made).path == long


def test_an_environment_is_answered_as_the_service_keeps_it(http: Any, workspace: str, name: str) -> None:
    # given an environment with a conda file
    path = f"{workspace}/environments/{name}/versions/1"
    properties = {"image": "example.org/image:1", "condaFile": "name: e\ndependencies: [python=3.8, {pip: [mlflow]}]\n"}
    made = http.put(path, json={"properties": properties}).json()["properties"]
    # then the file is JSON, and what the service fills in is there
    assert json.loads(made["condaFile"]) == {"name": "e", "dependencies": ["python=3.8", {"pip": ["mlflow"]}]}
    assert (made["osType"], made["environmentType"], made["tags"]) == ("Linux", "UserCreated", {})
    # and the same file, or another build context, is no other content; Azure answers 201 again
    for again in (properties, made, {**properties, "build": {"contextUri": "https://a/b"}}):
        assert http.put(path, json={"properties": again}).status_code == 201
