"""Pipelines that Azure accepts, by the SDK: labels, settings bound to inputs, outputs without a writer, any number."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("jobs")

ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
STEP = """
    def init():
        pass


    def run(files):
        return [str(file) for file in files]
"""
INNER = """
    $schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
    type: pipeline
    name: inner
    inputs: {where: {type: string}, seconds: {type: integer, default: 60}}
    jobs:
      a:
        type: command
        component: azureml:accepted:1
        inputs: {flag: true}
        compute: ${{parent.inputs.where}}
        limits: {timeout: "${{parent.inputs.seconds}}"}
"""
PIPELINES = {
    "label": """
        jobs:
          a: {type: command, component: "azureml:accepted@default", inputs: {flag: true}}
    """,
    "output-without-a-writer": """
        outputs: {other: {type: uri_folder}}
        jobs:
          a: {type: command, component: "azureml:accepted:1", inputs: {flag: true}}
    """,
    "bound-settings": """
        inputs: {where: cpu-cluster, seconds: 100, number: 1}
        jobs:
          a:
            type: command
            component: azureml:accepted:1
            inputs: {flag: true}
            compute: ${{parent.inputs.where}}
            limits: {timeout: "${{parent.inputs.seconds}}"}
            resources: {instance_count: "${{parent.inputs.number}}"}
            distribution: {type: mpi, process_count_per_instance: "${{parent.inputs.number}}"}
    """,
    "bound-settings-of-a-parallel-step": """
        inputs: {where: cpu-cluster, seconds: 100, number: 1, folder: {type: uri_folder, path: ./code}}
        jobs:
          a:
            type: parallel
            compute: ${{parent.inputs.where}}
            inputs: {files: "${{parent.inputs.folder}}"}
            input_data: ${{inputs.files}}
            mini_batch_size: "1"
            max_concurrency_per_instance: ${{parent.inputs.number}}
            mini_batch_error_threshold: ${{parent.inputs.number}}
            retry_settings: {timeout: "${{parent.inputs.seconds}}", max_retries: "${{parent.inputs.number}}"}
            task: {type: run_function, code: ./code, entry_script: step.py, environment: ENVIRONMENT}
    """,
    "a-component-as-the-whole-pipeline": """
        component: ./inner.yml
        inputs: {where: cpu-cluster}
    """,
    "the-default-datastore-in-a-path": """
        jobs:
          a:
            command: echo 1 > ${{outputs.file}}
            environment: ENVIRONMENT
            outputs:
              file:
                type: uri_file
                path: azureml://datastores/${{default_datastore}}/paths/${{name}}/${{output_name}}.txt
    """,
    "bound-inside-a-component-to-any-number": """
        inputs: {where: cpu-cluster, seconds: 100.01}
        jobs:
          n:
            type: pipeline
            component: ./inner.yml
            inputs: {where: "${{parent.inputs.where}}", seconds: "${{parent.inputs.seconds}}"}
    """,
}


@pytest.fixture
def folder(ml_client: Any, tmp_path: Path) -> Path:
    from azure.ai.ml import load_component

    component = f"""
        type: command
        name: accepted
        version: "1"
        inputs: {{flag: {{type: boolean}}}}
        command: echo ${{{{inputs.flag}}}}
        environment: {ENVIRONMENT}
    """
    for name, text in (("component.yml", component), ("inner.yml", INNER)):
        (tmp_path / name).write_text(textwrap.dedent(text))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "step.py").write_text(
        "def init():\n    pass\n\n\ndef run(files):\n    return [str(file) for file in files]\n"
    )
    ml_client.components.create_or_update(load_component(tmp_path / "component.yml"))
    return tmp_path


@pytest.mark.parametrize("text", PIPELINES.values(), ids=PIPELINES)
def test_a_pipeline_that_azure_accepts_is_run(ml_client: Any, submitter: Any, folder: Path, text: str) -> None:
    from azure.ai.ml import load_job

    head = "type: pipeline\nexperiment_name: accepted\nsettings: {default_compute: azureml:cpu-cluster}\n"
    (folder / "job.yml").write_text(head + textwrap.dedent(text).replace("ENVIRONMENT", ENVIRONMENT))

    job = ml_client.jobs.create_or_update(load_job(folder / "job.yml"))

    ended = submitter.wait(job.name)
    assert ended["status"] == "Completed", ended["error"]
    if "@default" in text:
        assert ml_client.jobs.get(job.name).jobs["a"].component == "accepted@default"
