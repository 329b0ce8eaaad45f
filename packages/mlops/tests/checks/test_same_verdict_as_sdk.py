"""What the check calls a rule of Azure, the installed SDK refuses, and the reverse."""

import logging
import warnings
from pathlib import Path

import pytest
from azure.ai.ml import load_component, load_job

from mlops.checks import check_project

PIPELINE = """\
type: pipeline
settings: {{default_compute: azureml:cpu-cluster}}
inputs: {{a: {given}}}
outputs: {{o: {output}}}
jobs:
  one:
    command: echo ${{{{inputs.a}}}} ${{{{outputs.o}}}}
    environment: azureml:e@latest
    inputs: {{a: "${{{{parent.inputs.a}}}}"}}
    outputs: {{o: "${{{{parent.outputs.o}}}}"}}
"""
COMPONENT = """\
name: {name}
version: 1
type: command
inputs: {{a: {declared}}}
outputs: {{o: {output}}}
command: echo ${{{{inputs.a}}}} ${{{{outputs.o}}}}
environment: azureml:e@latest
{more}
"""
GIVEN = [
    *("3", "text", "~", "[1]", "{value: 3}", "{type: integer, default: 3}", "{type: string, optional: true}"),
    *("{type: number, value: 0.5}", "{type: string, default: a, enum: [a]}", "{type: uri_file, path: azureml:d:1}"),
    *("{path: azureml:d@latest, mode: ro_mount}", "{type: uri_file, path: azureml:d:1, description: words}"),
    *("{type: uri_file, path: azureml:d:1, mode: upload}", "{type: mlflow_model, path: azureml:m:1}"),
]
OUTPUTS = [
    *("{type: uri_folder, mode: upload}", "{type: uri_folder, mode: ro_mount}", "{type: string}", "{description: w}"),
    *("{type: uri_file, version: 1}", "{type: uri_file, name: n, version: 1}"),
]
DECLARED = [
    *(
        "{type: string}",
        "{}",
        "~",
        "3",
        "{default: 3}",
        "{type: path}",
        "{type: float}",
        "{type: integer, default: 3.5}",
    ),
    *("{type: number, default: '0.5'}", "{type: integer, default: x}", "{type: boolean, default: 'true'}"),
    *(
        "{type: uri_file, path: x}",
        "{type: string, value: 3}",
        "{type: integer, enum: [1, 2]}",
        "{type: string, min: 1}",
    ),
    *("{type: string, default: ~}", "{type: uri_file, enum: [a]}", "{type: string, default: 2026-11-30}"),
]
FIELDS = [
    *("tags: {a: 1}", "tags: {a: b}", "display_name: 3", "description: true", "is_deterministic: maybe"),
    *(
        "distribution: {type: foo}",
        "distribution: {type: pytorch, process_count_per_instance: 2}",
        "code: {local_path: .}",
    ),
]
JOBS = [{"given": each} for each in GIVEN] + [{"output": each} for each in OUTPUTS]
COMPONENTS = [{"declared": each} for each in DECLARED] + [{"more": each} for each in FIELDS]
COMPONENTS += [{"name": each} for each in ("C", "c-1", "c_1", "1c", "c.x")]
COMPONENTS += [{"output": each} for each in ("{type: string}", "{type: uri_file, path: x}", "{}", "~")]


@pytest.fixture(autouse=True)
def quiet():
    """Experimental classes warn."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def refused_by_sdk(load, file: Path) -> str:
    try:
        loaded = load(file)
        found = loaded._validate()
        loaded._to_rest_object()
    except Exception as error:  # noqa: BLE001 - the SDK raises anything, TypeError among others
        return f"{type(error).__name__}: {error}"
    return "" if found.passed else str(found)


def refused_by_check(folder: Path, file: Path) -> list[str]:
    name = file.relative_to(folder).as_posix()
    return [each.message for each in check_project(folder) if each.file == name and each.rule == "azure"]


@pytest.mark.parametrize("parts", JOBS, ids=lambda parts: " ".join(map(str, parts.items())))
def test_of_a_job(tmp_path: Path, parts: dict[str, str]) -> None:
    file = tmp_path / "pipelines/train.yml"
    file.parent.mkdir()
    file.write_text(PIPELINE.format(**{"given": "3", "output": "{type: uri_folder}"} | parts))

    by_sdk, by_check = refused_by_sdk(load_job, file), refused_by_check(tmp_path, file)

    assert bool(by_sdk) == bool(by_check), (by_sdk, by_check)


@pytest.mark.parametrize("parts", COMPONENTS, ids=lambda parts: " ".join(map(str, parts.items())))
def test_of_a_component(tmp_path: Path, parts: dict[str, str]) -> None:
    file = tmp_path / "components/one/component.yml"
    file.parent.mkdir(parents=True)
    usual = {"name": "one", "declared": "{type: string}", "output": "{type: uri_folder}", "more": ""}
    file.write_text(COMPONENT.format(**usual | parts))

    by_sdk, by_check = refused_by_sdk(load_component, file), refused_by_check(tmp_path, file)

    assert bool(by_sdk) == bool(by_check), (by_sdk, by_check)
