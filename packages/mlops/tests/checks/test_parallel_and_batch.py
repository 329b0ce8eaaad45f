"""Parallel components, pipelines as components, and batch endpoints: clean as written, and each mistake found once."""

from pathlib import Path

import pytest

from mlops.checks import check_project, fix_project

FILES = {
    "endpoints/score_files.py": "def init(): pass\ndef run(mini_batch): return mini_batch\n",
    "endpoints/notes.md": "notes\n",
    "endpoints/.amlignore": "# texts do not ship\n*.md\n",
    "components/score/component.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json
type: parallel
name: score
version: 1.0.0
inputs:
  data: {type: uri_folder}
  word: {type: string, default: so}
outputs:
  rows: {type: uri_file}
input_data: ${{inputs.data}}
mini_batch_size: "1"
task:
  type: run_function
  code: ../../endpoints
  entry_script: score_files.py
  environment: file:../../environments/base.yml
  program_arguments: --word ${{inputs.word}}
  append_row_to: ${{outputs.rows}}
""",
    "pipelines/score.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: score_all
version: 1.0.0
inputs:
  data: {type: uri_folder}
outputs:
  rows: {type: uri_file}
jobs:
  score:
    type: parallel
    component: ../components/score/component.yml
    inputs:
      data: ${{parent.inputs.data}}
    outputs:
      rows: ${{parent.outputs.rows}}
""",
    "endpoints/batch/endpoint.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
name: files
auth_mode: aad_token
""",
    "endpoints/batch/deployment.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponentBatchDeployment.schema.json
type: pipeline
name: latest
endpoint_name: files
component: ../../pipelines/score.yml
""",
}
COMPONENT = "components/score/component.yml"
MISTAKES = {
    "no input to cut": (COMPONENT, "input_data: ${{inputs.data}}", "logging_level: INFO", 2),
    "a value to cut": (
        "components/score/component.yml",
        "input_data: ${{inputs.data}}",
        "input_data: ${{inputs.word}}",
        2,
    ),
    "an undeclared input": (COMPONENT, "{{inputs.word}}", "{{inputs.words}}", 2),
    "an entry script that is not there": (COMPONENT, "score_files.py", "score_file.py", 1),
    "a code folder that is not there": (COMPONENT, "../../endpoints", "../../endpoint", 1),
    "an unknown field": (COMPONENT, "mini_batch_size", "minibatch_size", 1),
    "an unknown field of the task": (
        "components/score/component.yml",
        "entry_script:",
        "script: x\n  entry_script:",
        1,
    ),
    "an environment that is not there": (COMPONENT, "base.yml", "bose.yml", 1),
    "an unknown input of the step": ("pipelines/score.yml", "data: ${{parent", "rows: 1\n      data: ${{parent", 1),
    "an endpoint with keys": ("endpoints/batch/endpoint.yml", "aad_token", "key", 1),
    "an endpoint of a bad name": ("endpoints/batch/endpoint.yml", "name: files", "name: my files", 1),
    "a deployment of nothing": ("endpoints/batch/deployment.yml", "score.yml", "scores.yml", 1),
    "a deployment without its type": ("endpoints/batch/deployment.yml", "type: pipeline\n", "", 1),
}


@pytest.fixture
def scoring(project: Path) -> Path:
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    fix_project(project)
    return project


def test_they_are_clean_as_written(scoring: Path) -> None:
    assert check_project(scoring) == []


@pytest.mark.parametrize(("file", "old", "new", "count"), MISTAKES.values(), ids=MISTAKES.keys())
def test_each_mistake_is_found_where_it_is(scoring: Path, file: str, old: str, new: str, count: int) -> None:
    text = (scoring / file).read_text()
    assert old in text
    (scoring / file).write_text(text.replace(old, new, 1))

    problems = [each for each in check_project(scoring) if "but its version is still" not in each.message]

    assert len(problems) == count, problems
    assert {each.file for each in problems} == {file}


def test_the_code_of_a_task_counts_as_content_but_for_what_does_not_ship(scoring: Path) -> None:
    (scoring / "endpoints/notes.md").write_text("other notes\n")
    assert check_project(scoring) == []

    (scoring / "endpoints/score_files.py").write_text(FILES["endpoints/score_files.py"] + "# changed\n")
    (problem,) = check_project(scoring)
    assert "`score` changed" in problem.message
