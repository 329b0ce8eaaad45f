"""A job's document read as a graph: bindings, defaults, order, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.definitions.distribution import Distribution
from azureml_emulator.jobs.definitions.steps import Data, FromStep, Graph, Literal
from azureml_emulator.jobs.graph.reader import read_command, read_pipeline
from azureml_emulator.kernel.errors import BadRequest, NotModelled

MAKE = {
    "type": "command",
    "command": "python make.py --rate ${{inputs.rate}} $[[--seed ${{inputs.seed}}]] --out ${{outputs.out}}",
    "inputs": {
        "rate": {"type": "number", "default": "0.5", "min": "0", "max": "1"},
        "seed": {"type": "integer", "optional": True},
        "mode": {"type": "string", "default": "fast", "enum": ["fast", "slow"]},
    },
    "outputs": {"out": {"type": "uri_folder"}},
}
USE = {
    "type": "command",
    "command": "python use.py --data ${{inputs.data}} --out ${{outputs.model}}",
    "inputs": {"data": {"type": "uri_folder"}},
    "outputs": {"model": {"type": "mlflow_model"}},
    "environment_variables": {"FROM": "component", "BOTH": "component"},
    "is_deterministic": False,
}
COMPONENTS = {"make": MAKE, "use": USE}


def bound(text: str) -> dict[str, str]:
    return {"value": text, "job_input_type": "literal"}


def node(component: str, **more: Any) -> dict[str, Any]:
    return {"type": "command", "componentId": component, **more}


def read(jobs: dict[str, Any], **properties: Any) -> Graph:
    return read_pipeline({"jobs": jobs, **properties}, COMPONENTS.__getitem__)


def two_steps() -> dict[str, Any]:
    return {
        "use": node("use", inputs={"data": bound("${{parent.jobs.make.outputs.out}}")}),
        "make": node("make", inputs={"rate": bound("${{parent.inputs.rate}}")}),
    }


def test_steps_are_ordered_by_their_bindings() -> None:
    graph = read(two_steps(), inputs={"rate": {"value": "0.7", "jobInputType": "literal"}})

    assert list(graph.steps) == ["make", "use"]
    assert graph.steps["make"].inputs["rate"].source == Literal("0.7")
    assert graph.steps["use"].inputs["data"].source == FromStep("make", "out")


def test_missing_inputs_get_defaults_or_are_left_out() -> None:
    step = read({"make": node("make")}).steps["make"]

    assert step.inputs["rate"].source == Literal("0.5")
    assert "seed" not in step.inputs
    assert step.deterministic


def test_environment_variables_of_the_node_override_those_of_the_component() -> None:
    jobs = two_steps()
    jobs["use"]["environment_variables"] = {"BOTH": "node", "ALSO": "1"}

    step = read(jobs, inputs={"rate": {"value": "1"}}).steps["use"]

    assert step.environment_variables == {"FROM": "component", "BOTH": "node", "ALSO": "1"}
    assert not step.deterministic


def test_a_pipelines_output_is_that_of_the_bound_step_at_the_given_uri() -> None:
    jobs = two_steps()
    jobs["use"]["outputs"] = {"model": {"value": "${{parent.outputs.best}}", "type": "literal"}}
    uri = "azureml://datastores/workspaceblobstore/paths/here"

    graph = read(jobs, inputs={"rate": {"value": "1"}}, outputs={"best": {"jobOutputType": "mlflow_model", "uri": uri}})

    assert graph.outputs == {"best": FromStep("use", "model")}
    assert graph.steps["use"].outputs["model"].uri == uri


def test_a_step_gets_data_and_mode_of_the_pipelines_input() -> None:
    data = {"uri": "azureml://datastores/d/paths/x", "jobInputType": "uri_folder", "mode": "Download"}

    graph = read({"use": node("use", inputs={"data": bound("${{parent.inputs.data}}")})}, inputs={"data": data})

    assert graph.steps["use"].inputs["data"].source == Data(data["uri"], "uri_folder", "download")
    assert graph.steps["use"].inputs["data"].mode == "download"


def test_settings_are_read() -> None:
    settings = {
        "continue_on_step_failure": False,
        "force_rerun": "True",
        "default_datastore": "azureml:other",
    }

    graph = read({"make": node("make")}, settings=settings)

    assert (graph.continue_on_step_failure, graph.force_rerun, graph.datastore) == (False, True, "other")
    assert read({"make": node("make")}).continue_on_step_failure


CYCLE = {
    "a": node("use", inputs={"data": bound("${{parent.jobs.b.outputs.model}}")}),
    "b": node("use", inputs={"data": bound("${{parent.jobs.a.outputs.model}}")}),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-steps": ({}, "no steps"),
    "a-cycle": (CYCLE, "cycle"),
    "a-step-that-reads-itself": (
        {"a": node("use", inputs={"data": bound("${{parent.jobs.a.outputs.model}}")})},
        "its own output",
    ),
    "an-unknown-pipeline-input": (
        {"a": node("make", inputs={"rate": bound("${{parent.inputs.nothing}}")})},
        "no input 'nothing'",
    ),
    "an-unknown-step": (
        {"a": node("use", inputs={"data": bound("${{parent.jobs.missing.outputs.out}}")})},
        "unknown step 'missing'",
    ),
    "an-unknown-output-of-a-step": (
        {"m": node("make"), "a": node("use", inputs={"data": bound("${{parent.jobs.m.outputs.no}}")})},
        "no output 'no'",
    ),
    "a-missing-required-input": ({"a": node("use")}, "required input 'data' of the step 'a' is missing"),
    "an-input-the-component-lacks": ({"a": node("make", inputs={"x": bound("1")})}, "no input 'x'"),
    "an-output-the-component-lacks": ({"a": node("make", outputs={"x": {}})}, "no output 'x'"),
    "an-output-bound-to-nothing": (
        {"a": node("make", outputs={"out": {"value": "${{parent.outputs.no}}"}})},
        "no output 'no'",
    ),
    "text-for-a-number": ({"a": node("make", inputs={"rate": bound("much")})}, "type number"),
    "a-number-over-the-maximum": ({"a": node("make", inputs={"rate": bound("2")})}, "at most 1"),
    "a-choice-not-offered": ({"a": node("make", inputs={"mode": bound("lazy")})}, "one of fast, slow"),
    "text-for-data": ({"a": node("use", inputs={"data": bound("x")})}, "needs data"),
    "an-invalid-timeout": ({"a": node("make", limits={"timeout": "soon"})}, "ISO 8601"),
    "no-component": ({"a": {"type": "command"}}, "has no component"),
}


@pytest.mark.parametrize(("jobs", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_at_submission(jobs: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refusal:
        read(jobs)
    assert refusal.value.error_code == "UserError"


def test_an_output_of_the_pipeline_that_no_step_writes_is_taken() -> None:
    assert read({"make": node("make")}, outputs={"best": {}}).outputs == {}


@pytest.mark.parametrize("kind", ["import"])
def test_unsupported_kinds_of_steps_are_refused_by_name(kind: str) -> None:
    with pytest.raises(NotModelled, match=kind):
        read({"a": {"type": kind, "componentId": "make"}})


@pytest.mark.parametrize(
    ("component", "given", "expected"),
    [
        ({}, {}, None),
        ({"distribution": {"type": "PyTorch"}}, {}, Distribution("pytorch", 1, 1)),
        (
            {
                "distribution": {"type": "pytorch", "process_count_per_instance": "2"},
                "resources": {"instance_count": "1"},
            },
            {"resources": {"instance_count": 3}},
            Distribution("pytorch", 3, 6),
        ),
        (
            {},
            {"distribution": {"distribution_type": "Mpi", "process_count_per_instance": 4}},
            Distribution("mpi", 1, 4),
        ),
        (
            {"resources": {"instance_count": 2}},
            {"distribution": {"type": "tensorflow", "parameter_server_count": 1}},
            Distribution("tensorflow", 2, 2, 1),
        ),
        (
            {"distribution": {"type": "TensorFlow", "worker_count": 3}},
            {"distribution": {"worker_count": None}},
            Distribution("tensorflow", 1, 3),
        ),
    ],
    ids=["none", "one-process", "instances-of-the-node", "mpi", "tensorflow", "null-overrides-nothing"],
)
def test_the_distribution_of_a_node_overrides_its_component(
    component: dict[str, Any], given: dict[str, Any], expected: Distribution | None
) -> None:
    graph = read_pipeline({"jobs": {"a": node("c", **given)}}, {"c": {**MAKE, **component}}.__getitem__)

    assert graph.steps["a"].distribution == expected


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"resources": {"instance_count": 2}}, NotModelled, "2 instances without a distribution"),
        ({"distribution": {"type": "ray"}}, NotModelled, "Ray"),
        ({"distribution": {"type": "gloo"}}, BadRequest, "'gloo'"),
        ({"distribution": {"type": "mpi", "process_count_per_instance": 0}}, BadRequest, "process_count_per_instance"),
        ({"distribution": {"type": "mpi", "process_count_per_instance": "many"}}, BadRequest, "'many'"),
        ({"distribution": {"type": "pytorch", "process_count_per_instance": 65}}, NotModelled, "at most 64"),
    ],
)
def test_distributions_that_cannot_run_are_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read({"a": node("make", **given)})


def test_a_command_job_is_one_step_with_its_name() -> None:
    graph = read_command(
        "lonely",
        {
            "command": "echo ${{inputs.x}} > ${{outputs.o}}",
            "environmentId": "azureml:base:1",
            "inputs": {"x": {"value": "3", "jobInputType": "literal"}},
            "outputs": {"o": {"jobOutputType": "uri_file"}},
            "limits": {"timeout": "PT1M15S"},
        },
    )

    assert graph.steps["lonely"].timeout == 75.0
    assert graph.outputs == {"o": FromStep("lonely", "o")}


def test_a_command_with_an_unknown_input_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"inputs.y"):
        read_command("lonely", {"command": "echo ${{inputs.y}}", "environmentId": "azureml:base:1"})


def test_a_command_without_an_environment_is_refused() -> None:
    with pytest.raises(BadRequest, match="environment"):
        read_command("lonely", {"command": "true"})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("azureml:base:1", "base:1"),
        ("azureml:/subscriptions/s", "/subscriptions/s"),
        ("azureml://registries/azureml/environments/e/labels/latest",) * 2,
    ],
    ids=["short", "arm-id", "registry"],
)
def test_only_the_prefix_of_short_references_is_removed(given: str, read: str) -> None:
    assert read_command("lonely", {"command": "true", "environmentId": given}).steps["lonely"].environment == read


SCORE = {
    "type": "parallel",
    "inputs": {"data": {"type": "uri_folder"}, "table": {"type": "mltable"}, "word": {"type": "string"}},
    "outputs": {"rows": {"type": "uri_file"}},
    "input_data": "${{inputs.data}}",
    "retry_settings": {"max_retries": 1},
    "task": {
        "type": "run_function",
        "code": "azureml:the-code",
        "environment": "azureml:the-environment",
        "entry_script": "score.py",
        "program_arguments": "--word ${{inputs.word}} --error_threshold 5",
        "append_row_to": "${{outputs.rows}}",
    },
}
GIVEN = {
    "data": {"uri": "azureml:d:1", "job_input_type": "uri_folder"},
    "table": {"uri": "azureml:d:1", "job_input_type": "mltable"},
    "word": bound("so"),
}


def read_parallel(specification: dict[str, Any] = SCORE, **more: Any) -> Any:
    jobs = {"score": {"type": "parallel", "componentId": "score", "inputs": GIVEN, **more}}
    return read_pipeline({"jobs": jobs}, {"score": specification}.__getitem__).steps["score"]


def test_settings_of_a_parallel_node_override_those_of_the_component() -> None:
    step = read_parallel(
        retry_settings={"timeout": "PT2M", "max_retries": 4},
        resources={"instance_count": 3},
        max_concurrency_per_instance=2,
        mini_batch_error_threshold=7,
    )

    settings = step.parallel
    assert (step.code, step.environment) == ("the-code", "the-environment")
    assert step.command.endswith("--word ${{inputs.word}} --error_threshold 5")
    assert (settings.input_name, settings.append_to, settings.is_table) == ("data", "rows", False)
    assert (settings.mini_batch_size, settings.workers, settings.retries, settings.timeout) == (None, 6, 4, 120.0)
    assert (settings.max_failed_batches, settings.max_failed_items, settings.max_failed_percent) == (7, 5, 100)


def test_a_table_is_split_by_bytes() -> None:
    settings = read_parallel(input_data="${{inputs.table}}", mini_batch_size="10kb").parallel

    assert (settings.is_table, settings.mini_batch_size) == (True, 10240)


WRONG_PARALLEL = {
    "no input to split": ({"input_data": "data"}, "must be ${{inputs.NAME}}"),
    "an unknown input": ({"input_data": "${{inputs.other}}"}, "splits the input 'other'"),
    "no entry script": ({"task": {"entry_script": ""}}, "has no entry script"),
    "an unknown output": ({"task": {"append_row_to": "${{outputs.other}}"}}, "appends to the output 'other'"),
    "an invalid size": ({"mini_batch_size": "many"}, "mini_batch_size is 'many'"),
    "an invalid timeout": ({"retry_settings": {"timeout": 0}}, "timeout of a mini-batch is '0'"),
    "no processes": ({"max_concurrency_per_instance": 0}, "must be an integer of at least 1"),
    "keys without a table": ({"partition_keys": '["region"]'}, "must be an mltable"),
    "an unclosed quote": ({"task": {"program_arguments": "'"}}, "program_arguments cannot be read"),
}


@pytest.mark.parametrize(("more", "words"), WRONG_PARALLEL.values(), ids=WRONG_PARALLEL.keys())
def test_a_wrong_parallel_step_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_parallel(**more)

    assert words in refused.value.message


@pytest.mark.parametrize("keys", ['["region", "shop"]', ["region", "shop"]])
def test_a_table_is_split_by_keys(keys: Any) -> None:
    settings = read_parallel(input_data="${{inputs.table}}", partition_keys=keys).parallel

    assert settings.partition_keys == ("region", "shop")


def test_a_copy_of_several_inputs_needs_a_mode() -> None:
    copy = {
        "type": "data_transfer",
        "task": "copy_data",
        "inputs": {"one": {"type": "uri_folder"}, "two": {"type": "uri_folder"}},
        "outputs": {"all": {"type": "uri_folder"}},
    }
    given = {name: {"uri": "azureml:d:1", "job_input_type": "uri_folder"} for name in ("one", "two")}

    with pytest.raises(BadRequest, match="merge_with_overwrite, fail_if_conflict"):
        read_pipeline(
            {"jobs": {"c": {"type": "data_transfer", "componentId": "c", "inputs": given}}}, {"c": copy}.__getitem__
        )
