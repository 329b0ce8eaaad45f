"""pipelines/train.yml is a real Azure ML pipeline: the SDK loads it, and its steps ship what they import."""

from pathlib import Path

import pytest
from azure.ai.ml import load_component, load_job
from azure.ai.ml.entities import CommandComponent

ROOT = Path(__file__).parents[2]
STEPS = ["validate_data", "prepare_data", "train_model", "evaluate_model", "package_model"]

# The pipeline knows the usual name of its data; a step by itself does not.
NAMED_BY_THE_PIPELINE = "data_name"


@pytest.fixture(scope="module")
def pipeline():
    return load_job(ROOT / "pipelines" / "train.yml")


def load(step: str) -> CommandComponent:
    component = load_component(ROOT / "components" / step / "component.yml")
    assert isinstance(component, CommandComponent)
    return component


def test_only_validation_reads_the_schema_of_the_project(pipeline):
    assert (ROOT / "pipelines" / pipeline.inputs["schema"].path).resolve() == ROOT / "schema.yml"
    assert [step for step in STEPS if "schema" in load(step).inputs] == ["validate_data"]


def test_the_sdk_accepts_it(pipeline):
    assert pipeline._validate().error_messages == {}


def test_its_steps_inputs_and_outputs_are_named_for_people(pipeline):
    assert list(pipeline.jobs) == STEPS
    assert {"data", "schema", "data_name", "data_version", "data_sha256", "git_commit", "seed"} <= set(pipeline.inputs)
    assert set(pipeline.outputs) == {"model_package", "validation_report", "evaluation_report", "split_data"}
    assert pipeline.settings.default_compute.endswith("cpu-cluster")


@pytest.mark.parametrize("step", STEPS)
def test_a_component_is_versioned_deterministic_and_described(step: str):
    component = load(step)
    assert component.name == step
    assert str(component.version).count(".") == 2
    assert component.is_deterministic
    assert component.description
    for name, given in component.inputs.items():
        assert given.description, name


@pytest.mark.parametrize("step", STEPS)
def test_a_snapshot_holds_the_step_beside_model_package(step: str):
    component = load(step)
    with component._build_code() as code:
        held = {path.relative_to(code.path).as_posix() for path in Path(code.path).rglob("*")}
    assert {f"{step}.py", "model_package/schema.py", "model_package/reports/page.html.j2"} <= held
    assert not [path for path in held if "__pycache__" in path]


@pytest.mark.parametrize("step", STEPS)
def test_pipeline_and_component_have_the_same_defaults(pipeline, step: str):
    # Given the step's inputs that the pipeline binds to inputs of its own
    component = load(step)
    for name, given in component.inputs.items():
        outer = "onnx_tolerance" if name == "tolerance" else name
        if given.default is not None and outer != NAMED_BY_THE_PIPELINE:
            # Then running a step alone and within the pipeline means the same
            assert str(pipeline.inputs[outer]._data) == str(given.default), name
