"""Outputs that name an asset are registered when their step has completed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("jobs")

ENDED = {"Completed", "Failed", "Canceled"}
ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"


@pytest.fixture
def name() -> str:
    return f"made-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(ml_client: Any) -> Callable[[Any], Any]:
    """Submits a job, waits until it has ended, and returns it."""

    def submit_and_wait(job: Any) -> Any:
        submitted = ml_client.jobs.create_or_update(job).name
        return wait_for(lambda: job if (job := ml_client.jobs.get(submitted)).status in ENDED else None)

    return submit_and_wait


def untyped_pipeline() -> Any:
    """The SDK's decorator, whose types know fewer functions than it takes."""
    from azure.ai.ml.dsl import pipeline

    return pipeline


def echo(word: str, output: Any, file: str = "/f.txt") -> Any:
    from azure.ai.ml import command

    return command(
        name=f"c-{uuid.uuid4().hex}",
        command=f"echo {word} > ${{{{outputs.o}}}}{file}",
        environment=ENVIRONMENT,
        outputs={"o": output},
    )


def test_a_command_registers_data_and_versions_it(ml_client: Any, run: Callable[[Any], Any], name: str) -> None:
    from azure.ai.ml import Output

    given = run(echo("one", Output(type="uri_folder", name=name, version="7")))
    following = run(echo("two", Output(type="uri_file", name=name), file=""))

    assert (given.status, following.status) == ("Completed", "Completed")
    assert (given.outputs["o"].name, given.outputs["o"].version) == (name, "7")
    assert (following.outputs["o"].name, following.outputs["o"].version) == (name, "8")
    first, second = ml_client.data.get(name, "7"), ml_client.data.get(name, "8")
    assert (first.type, second.type, second.version) == ("uri_folder", "uri_file", "8")
    assert first.path.rstrip("/") == given.outputs["o"].path.rstrip("/")


def test_a_registered_output_is_the_input_of_a_later_job(run: Callable[[Any], Any], name: str) -> None:
    from azure.ai.ml import Input, Output, command

    run(echo("one", Output(type="uri_folder", name=name, version="1")))
    reading = command(
        command="grep one ${{inputs.i}}/f.txt",
        environment=ENVIRONMENT,
        inputs={"i": Input(type="uri_folder", path=f"azureml:{name}:1")},
    )

    assert run(reading).status == "Completed"


def test_a_version_that_exists_with_other_content_fails_the_job(run: Callable[[Any], Any], name: str) -> None:
    from azure.ai.ml import Output

    run(echo("one", Output(type="uri_folder", name=name, version="1")))
    assert run(echo("two", Output(type="uri_folder", name=name, version="1"))).status == "Failed"


def test_an_output_that_is_not_an_mlflow_model_fails_the_job(
    ml_client: Any, run: Callable[[Any], Any], submitter: Any, name: str
) -> None:
    from azure.ai.ml import Output

    job = run(echo("one", Output(type="mlflow_model", name=name)))

    assert job.status == "Failed"
    assert "has no file MLmodel" in submitter.details(job.name)["error"]["error"]["message"]
    assert not list(ml_client.models.list(name=name))


def test_steps_and_pipelines_register_models_and_data(ml_client: Any, run: Callable[[Any], Any], name: str) -> None:
    from azure.ai.ml import Output

    pipeline = untyped_pipeline()
    steps = {kind: echo(kind, Output(type=kind)).component for kind in ("custom_model", "uri_folder")}

    @pipeline(default_compute="cpu-cluster")
    def both() -> dict[str, Any]:
        model, data = steps["custom_model"](), steps["uri_folder"]()
        model.outputs.o.name, model.outputs.o.version = name, "3"
        return {"shared": data.outputs.o}

    def submit() -> Any:
        job = both()
        job.outputs.shared.name = name
        return run(job)

    # when the pipeline runs, and runs again with its steps reused
    first, second = submit(), submit()

    # then the step has registered a model and the pipeline data, once
    assert (first.status, second.status) == ("Completed", "Completed")
    model = ml_client.models.get(name, "3")
    children = {child.name for child in ml_client.jobs.list(parent_job_name=first.name)}
    assert (model.type, model.job_name in children) == ("custom_model", True)
    assert [data.version for data in ml_client.data.list(name=name)] == ["1"]
    assert [job.outputs["shared"].version for job in (first, second)] == ["1", "1"]


def test_names_that_assets_cannot_have_are_refused(submitter: Any, assert_azure_error: Callable[..., None]) -> None:
    job = {
        "jobType": "Command",
        "command": "true",
        "environmentId": submitter.environment(),
        "outputs": {"o": {"jobOutputType": "uri_folder", "assetName": "a name"}},
    }

    assert_azure_error(submitter.put("job-with-a-bad-name", job), 400, "UserError", "a name")


def test_a_value_cannot_be_registered(submitter: Any) -> None:
    component = submitter.component("echo 1 > ${{outputs.n}}", outputs={"n": {"type": "integer"}})
    step = {"type": "command", "componentId": component, "outputs": {"n": {"name": "n", "job_output_type": "uri_file"}}}

    refused = submitter.put("job-with-a-registered-value", {"jobType": "Pipeline", "jobs": {"s": step}})

    assert refused.status_code == 400
    assert "only data and models" in refused.text
