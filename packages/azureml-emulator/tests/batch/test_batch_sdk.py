"""Batch endpoints and parallel jobs through the unmodified SDK, from YAML to downloaded results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("jobs")

TERMINAL = {"Completed", "Failed", "Canceled"}

SCRIPT = """
import os, pathlib

def init():
    global model
    root = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    model = (root / "the-model" / "word.txt").read_text()

def run(mini_batch):
    rows = []
    for file in map(pathlib.Path, mini_batch):
        text = file.read_text()
        if text == "bad":
            print("ERROR cannot read", file.name)
            continue
        rows.append(f"{file.name} {model} {text} {os.environ['HOW']}")
        home = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"])
        (home / f"{file.name}.own").write_text(text.upper())
    return rows
"""
ENDPOINT = "name: NAME\nauth_mode: aad_token\ndescription: for tests\n"
MODEL_DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
type: model
name: by-model
endpoint_name: NAME
model: azureml:batch-model:1
compute: azureml:cpu-cluster
environment: {image: busybox}
code_configuration: {code: code, scoring_script: score.py}
resources: {instance_count: 2}
settings:
  max_concurrency_per_instance: 1
  mini_batch_size: 2
  output_action: append_row
  output_file_name: rows.csv
  retry_settings: {max_retries: 1, timeout: 60}
  error_threshold: 1
  logging_level: info
  environment_variables: {HOW: well}
"""
PARALLEL = """
$schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json
type: parallel
name: shouting
version: 1.0.0
inputs:
  files: {type: uri_folder}
  words: {type: custom_model}
  mark: {type: string, default: "!"}
outputs:
  rows: {type: uri_file}
input_data: ${{inputs.files}}
mini_batch_size: "1"
max_concurrency_per_instance: 2
retry_settings: {max_retries: 0, timeout: 60}
task:
  type: run_function
  code: code
  entry_script: shout.py
  environment: {image: busybox}
  program_arguments: --words ${{inputs.words}} --mark ${{inputs.mark}} --task_overhead_timeout 100
  append_row_to: ${{outputs.rows}}
"""
SHOUT = """
import argparse, pathlib
def init():
    global given
    parser = argparse.ArgumentParser()
    parser.add_argument("--words")
    parser.add_argument("--mark")
    given, _ = parser.parse_known_args()
def run(mini_batch):
    word = (pathlib.Path(given.words) / "word.txt").read_text()
    return [pathlib.Path(file).read_text() + given.mark + word for file in mini_batch]
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: shouting_pipeline
version: 1.0.0
inputs:
  files: {type: uri_folder}
  mark: {type: string, default: "?"}
outputs:
  rows: {type: uri_file, mode: upload}
jobs:
  shout:
    type: parallel
    component: parallel.yml
    inputs:
      files: ${{parent.inputs.files}}
      mark: ${{parent.inputs.mark}}
      words: {type: custom_model, path: "azureml://registries/emulator/models/batch-model/versions/1"}
    outputs:
      rows: ${{parent.outputs.rows}}
"""
JOB = """
type: pipeline
inputs: {word: blue, number: 7}
outputs:
  line: {type: uri_file}
jobs:
  say:
    command: echo ${{inputs.word}} ${{inputs.number}} > ${{outputs.line}}
    environment: {image: busybox}
    compute: cpu-cluster
    inputs: {word: "${{parent.inputs.word}}", number: "${{parent.inputs.number}}"}
    outputs: {line: "${{parent.outputs.line}}"}
"""
PIPELINE_DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponentBatchDeployment.schema.json
type: pipeline
name: by-pipeline
endpoint_name: NAME
component: pipeline.yml
settings:
  default_compute: cpu-cluster
  continue_on_step_failure: false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The YAML, the code, the model, and five files of which one cannot be scored."""
    root = tmp_path_factory.mktemp("batch")
    texts = {
        "code/score.py": SCRIPT,
        "code/shout.py": SHOUT,
        "the-model/word.txt": "blue",
        "endpoint.yml": ENDPOINT,
        "model.yml": MODEL_DEPLOYMENT,
        "parallel.yml": PARALLEL,
        "pipeline.yml": PIPELINE,
        "deployment.yml": PIPELINE_DEPLOYMENT,
        **{f"files/{name}.txt": name for name in ("a", "b", "c", "d")},
        "files/e.txt": "bad",
    }
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("NAME", "batch-tests"))
    return root


@pytest.fixture(scope="module")
def endpoint(ml_client: Any, registry_client: Any, folder: Path) -> str:
    """An endpoint with a deployment of a model, which is the default, and one of a pipeline component."""
    from azure.ai.ml import load_batch_endpoint
    from azure.ai.ml.entities import Model
    from azure.ai.ml.entities._load_functions import (
        load_model_batch_deployment,
        load_pipeline_component_batch_deployment,
    )

    ml_client.models.create_or_update(
        Model(name="batch-model", version="1", type="custom_model", path=str(folder / "the-model"))
    )
    # The pipeline takes its model from a registry.
    ml_client.models.share(
        "batch-model", "1", share_with_name="batch-model", share_with_version="1", registry_name="emulator"
    )
    created = ml_client.batch_endpoints.begin_create_or_update(load_batch_endpoint(folder / "endpoint.yml")).result()
    # Programs set its default on what they were answered.
    assert created.defaults.deployment_name is None
    for load, file in (
        (load_model_batch_deployment, "model.yml"),
        (load_pipeline_component_batch_deployment, "deployment.yml"),
    ):
        ml_client.batch_deployments.begin_create_or_update(load(folder / file)).result()
    created = ml_client.batch_endpoints.get(created.name)
    created.defaults = {"deployment_name": "by-model"}
    return ml_client.batch_endpoints.begin_create_or_update(created).result().name


@pytest.fixture(autouse=True)
def _no_deployment_of_other_tests(ml_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK stores the deployment of an invocation in a constant, and sends it with all later invocations."""
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields

    monkeypatch.setattr(EndpointInvokeFields, "DEFAULT_HEADER", {"Content-Type": "application/json"})


@pytest.fixture
def finished(ml_client: Any) -> Callable[[str], Any]:
    """Waits until a job has ended, and returns it."""
    return lambda name: wait_for(lambda: job if (job := ml_client.jobs.get(name)).status in TERMINAL else None)


def test_a_model_deployment_writes_one_file_of_rows(
    ml_client: Any, endpoint: str, folder: Path, finished: Callable[[str], Any], tmp_path: Path
) -> None:
    from azure.ai.ml import Input

    # when the endpoint is invoked without naming a deployment
    job = ml_client.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path=str(folder / "files")))
    # then the job is the default deployment's, and one failed file is within the threshold
    assert finished(job.name).status == "Completed"
    ml_client.jobs.download(job.name, download_path=tmp_path, output_name="score")
    results = tmp_path / "named-outputs" / "score"
    rows = (results / "rows.csv").read_text().splitlines()
    assert rows == [f"{name}.txt blue {name} well" for name in ("a", "b", "c", "d")]
    assert (results / "a.txt.own").read_text() == "A"
    (step,) = ml_client.jobs.list(parent_job_name=job.name)
    assert step.display_name == "batchscoring"
    # and the lists of jobs show it
    assert job.name in [each.name for each in ml_client.batch_endpoints.list_jobs(endpoint)]
    listed = ml_client.batch_deployments.list_jobs(endpoint, name="by-model")
    assert [(each.name, each.status) for each in listed] == [(job.name, "Completed")]
    assert ml_client.batch_deployments.list_jobs(endpoint, name="by-pipeline") == []
    # and the logs are at the service's paths
    ml_client.jobs.download(step.name, download_path=tmp_path / "logs")
    (errors,) = (tmp_path / "logs").rglob("error.txt")
    assert "returned 0 for 1 items" in errors.read_text()


def test_a_pipeline_component_deployment_takes_its_declared_inputs(
    ml_client: Any, endpoint: str, folder: Path, finished: Callable[[str], Any], tmp_path: Path
) -> None:
    from azure.ai.ml import Input

    job = ml_client.batch_endpoints.invoke(
        endpoint,
        deployment_name="by-pipeline",
        inputs={
            "files": Input(type="uri_folder", path=str(folder / "files")),
            "mark": Input(type="string", default="so"),
        },
        experiment_name="chosen",
    )

    done = finished(job.name)
    assert (done.status, done.experiment_name) == ("Completed", "chosen")
    ml_client.jobs.download(job.name, download_path=tmp_path, output_name="rows")
    (rows,) = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert rows.read_text().splitlines() == [f"{text}soblue" for text in ("a", "b", "c", "d", "bad")]


def test_a_deployment_of_a_job_has_the_jobs_values_as_defaults(
    ml_client: Any, endpoint: str, finished: Callable[[str], Any], tmp_path: Path
) -> None:
    from azure.ai.ml import Input, load_job
    from azure.ai.ml.entities._load_functions import load_pipeline_component_batch_deployment

    # given a pipeline job
    (tmp_path / "job.yml").write_text(JOB)
    job = ml_client.jobs.create_or_update(load_job(tmp_path / "job.yml"))
    # when it is deployed, and invoked with another value for one of its inputs
    deployment = PIPELINE_DEPLOYMENT.replace("NAME", endpoint).replace("by-pipeline", "by-job")
    text = deployment.replace("component: pipeline.yml", f"job_definition: azureml:{job.name}")
    (tmp_path / "deployment.yml").write_text(text)
    made = load_pipeline_component_batch_deployment(tmp_path / "deployment.yml")
    ml_client.batch_deployments.begin_create_or_update(made).result()
    inputs = {"word": Input(type="string", default="green")}
    again = ml_client.batch_endpoints.invoke(endpoint, deployment_name="by-job", inputs=inputs)
    # then the other input has the value of the job
    assert finished(again.name).status == "Completed"
    ml_client.jobs.download(again.name, download_path=tmp_path / "out", output_name="line")
    (line,) = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert line.read_text() == "green 7\n"
    ml_client.batch_deployments.begin_delete("by-job", endpoint).result()


def test_deployments_are_read_listed_and_deleted(ml_client: Any, endpoint: str) -> None:
    from azure.core.exceptions import HttpResponseError

    found = ml_client.batch_deployments.get("by-model", endpoint)
    assert (found.mini_batch_size, found.output_file_name, found.error_threshold) == (2, "rows.csv", 1)
    assert (found.retry_settings.max_retries, found.retry_settings.timeout) == (1, 60)
    assert found.environment_variables == {"HOW": "well"}
    names = {each.name for each in ml_client.batch_deployments.list(endpoint)}
    assert names == {"by-model", "by-pipeline"}
    assert endpoint in [each.name for each in ml_client.batch_endpoints.list()]
    with pytest.raises(HttpResponseError, match="is the default of the endpoint"):
        ml_client.batch_deployments.begin_delete("by-model", endpoint).result()


WRONG = {
    "an unknown deployment": ({"header": "other"}, 400, "DeploymentNotFound"),
    "no input": ({"properties": {}}, 400, "BadRequest"),
    "an input without a type": ({"properties": {"InputData": {"x": {"Uri": "azureml:x:1"}}}}, 400, "BadRequest"),
    "a value for data": (
        {"properties": {"InputData": {"x": {"JobInputType": "Literal", "Value": "1"}}}},
        400,
        "BadRequest",
    ),
    "a dataset": ({"properties": {"dataset": "x"}}, 501, "NotImplemented"),
}


@pytest.mark.parametrize(("asked", "status", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_invocation_is_refused(
    ml_client: Any,
    endpoint: str,
    http: httpx.Client,
    emulator: Any,
    assert_azure_error: Callable[..., None],
    asked: dict[str, Any],
    status: int,
    code: str,
) -> None:
    headers = {"Authorization": f"Bearer {emulator.token('https://ml.azure.com')}"}
    if "header" in asked:
        headers["azureml-model-deployment"] = asked["header"]

    reply = http.post(ml_client.batch_endpoints.get(endpoint).scoring_uri, headers=headers, json=asked)

    assert_azure_error(reply, status, code)


def test_a_token_for_another_audience_is_refused(
    ml_client: Any, endpoint: str, http: httpx.Client, assert_azure_error: Callable[..., None]
) -> None:
    reply = http.post(ml_client.batch_endpoints.get(endpoint).scoring_uri, json={"properties": {}})

    assert_azure_error(reply, 401, "InvalidAuthenticationToken", "https://ml.azure.com")


def test_a_deployment_on_an_unknown_compute_is_refused(ml_client: Any, endpoint: str, folder: Path) -> None:
    from azure.ai.ml.entities._load_functions import load_model_batch_deployment
    from azure.core.exceptions import HttpResponseError

    deployment = load_model_batch_deployment(
        folder / "model.yml", params_override=[{"name": "elsewhere"}, {"compute": "azureml:no-cluster"}]
    )

    with pytest.raises(HttpResponseError, match="no-cluster"):
        ml_client.batch_deployments.begin_create_or_update(deployment).result()
