"""Assets of Azure's registries are refused by name, with what to do; a stand-in registered here is used."""

from __future__ import annotations

import io
from itertools import cycle
from typing import Any

import pytest

RAI = "microsoft_azureml_rai_tabular_insight_constructor"
PUBLIC = {
    RAI: " (Responsible AI) is in the public registry",
    "train_image_classification_model": " (AutoML for images and text) is in",
    "text_classification_finetune": " (fine-tuning of foundation models) is in",
    "import_model": " (import of models or data) is in",
    "anything_else": "'anything_else' is in the public registry",
}


def step(component: str) -> Any:
    from azure.ai.ml import load_job

    text = f"""
type: pipeline
experiment_name: foreign
settings: {{default_compute: azureml:cpu-cluster}}
jobs:
  first: {{type: command, component: "{component}"}}
"""
    return load_job(io.StringIO(text))


@pytest.mark.parametrize(("name", "at"), [(RAI, "labels/latest"), *zip(PUBLIC, cycle(["versions/1.2"]), strict=False)])
def test_a_step_of_a_public_component_is_refused_by_name(ml_client: Any, name: str, at: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError) as refused:
        ml_client.jobs.create_or_update(step(f"azureml://registries/azureml/components/{name}/{at}"))

    assert refused.value.status_code == 501
    assert PUBLIC[name] in refused.value.message
    assert f"'{name}'" in refused.value.message
    assert "Run this on Azure, or register one" in refused.value.message


@pytest.mark.parametrize(
    ("registry", "kind"), [("azureml-meta", "models"), ("HuggingFace", "models"), ("azureml", "data")]
)
def test_inputs_of_public_registries_are_refused_by_name(http: Any, workspace: str, registry: str, kind: str) -> None:
    reference = f"azureml://registries/{registry}/{kind}/Llama/versions/3"
    properties = {
        "jobType": "Command",
        "command": "echo",
        "computeId": f"{workspace}/computes/cpu-cluster",
        "environmentId": "azureml://registries/azureml/environments/sklearn-1.5/versions/1",
        "inputs": {"given": {"jobInputType": "uri_folder", "uri": reference}},
    }

    answer = http.put(f"{workspace}/jobs/foreign-{registry}-{kind}".lower(), json={"properties": properties})

    assert answer.status_code == 501, answer.text
    assert f"'Llama' is in the public registry '{registry}'" in answer.json()["error"]["message"]


def test_reading_them_says_so_too(credential: Any) -> None:
    from azure.ai.ml import MLClient
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError, match="is in the public registry 'azureml' on Azure"):
        MLClient(credential, registry_name="azureml").components.get(RAI, version="0.20.0")
    with pytest.raises(ResourceNotFoundError, match="'ours' of this emulator, which begins empty"):
        MLClient(credential, registry_name="ours").models.get("churn", version="1")


def test_a_stand_in_that_is_registered_here_is_accepted(ml_client: Any, credential: Any) -> None:
    from azure.ai.ml import MLClient, command

    environment = "azureml://registries/azureml/environments/sklearn-1.5/versions/1"
    stand_in: Any = command(name="stand_in", command="echo ran", environment=environment).component
    stand_in.version = "1"
    MLClient(credential, registry_name="azureml").components.create_or_update(stand_in)

    job = ml_client.jobs.create_or_update(step("azureml://registries/azureml/components/stand_in/versions/1"))

    assert set(job.jobs) == {"first"}
    ml_client.jobs.begin_cancel(job.name)
