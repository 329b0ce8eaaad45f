"""A job's document read as a graph: bindings, defaults, order, nested pipelines, refusals."""

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
BOTH = {
    "type": "pipeline",
    "inputs": {"rate": {"type": "number", "default": "0.25"}},
    "outputs": {"best": {"type": "mlflow_model"}},
    "jobs": {
        "make": {
            "type": "command",
            "componentId": "make",
            "inputs": {"rate": {"value": "${{parent.inputs.rate}}"}},
        },
        "use": {
            "type": "command",
            "componentId": "use",
            "inputs": {"data": {"value": "${{parent.jobs.make.outputs.out}}"}},
            "outputs": {"model": {"value": "${{parent.outputs.best}}", "type": "literal"}},
        },
    },
}
COMPONENTS = {"make": MAKE, "use": USE, "both": BOTH}


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


def test_steps_of_a_nested_pipeline_are_prefixed_with_its_name() -> None:
    jobs = {
        "inner": {
            "type": "pipeline",
            "componentId": "both",
            "outputs": {"best": {"value": "${{parent.outputs.top}}"}},
        },
        "after": node("use", inputs={"data": bound("${{parent.jobs.inner.outputs.best}}")}),
    }

    graph = read(jobs, outputs={"top": {}})

    assert list(graph.steps) == ["inner.make", "inner.use", "after"]
    assert graph.steps["inner.make"].inputs["rate"].source == Literal("0.25")
    assert graph.steps["after"].inputs["data"].source == FromStep("inner.use", "model")
    assert graph.outputs == {"top": FromStep("inner.use", "model")}


def test_settings_of_a_step_take_values_of_pipeline_inputs_through_all_levels() -> None:
    # given a step whose compute, timeout, tags and variables are bound to inputs of a pipeline component
    bound_step = node(
        "make",
        computeId="${{parent.inputs.where}}",
        limits={"timeout": "${{parent.inputs.seconds}}"},
        resources={"instance_count": "${{parent.inputs.nodes}}"},
        distribution={"process_count_per_instance": "${{parent.inputs.nodes}}"},
        tags={"team": "the ${{parent.inputs.where}} team"},
        environment_variables={"LEVEL": "${{parent.inputs.level}}"},
    )
    texts = ("where", "seconds", "nodes")
    declared = {name: {"type": "string"} for name in texts} | {"level": {"type": "string", "optional": True}}
    component = {"type": "pipeline", "inputs": declared, "jobs": {"s": bound_step}}
    outer = {
        "type": "pipeline",
        "componentId": "inner",
        "inputs": {t: bound(f"${{{{parent.inputs.{t}}}}}") for t in texts},
    }
    given = {"where": {"value": "azureml:big"}, "seconds": {"value": "90"}, "nodes": {"value": 1}}

    # when
    graph = read_pipeline({"jobs": {"n": outer}, "inputs": given}, {**COMPONENTS, "inner": component}.__getitem__)

    # then it has their values, and nothing where there is none
    step = graph.steps["n.s"]
    assert (step.compute, step.timeout) == ("big", 90)
    assert (step.tags, step.environment_variables) == ({"team": "the azureml:big team"}, {})


def test_a_setting_bound_to_data_is_refused() -> None:
    data = {"uri": "azureml://datastores/d/paths/x", "jobInputType": "uri_folder"}
    with pytest.raises(BadRequest, match="not a literal value"):
        read({"a": node("make", computeId="${{parent.inputs.data}}")}, inputs={"data": data})


def test_nested_pipelines_stand_outer_ones_first_with_what_is_written_inside() -> None:
    top = {
        "type": "pipeline",
        "outputs": {"o": {"type": "mlflow_model"}, "none": {"type": "uri_folder"}},
        "jobs": {
            "deep": {"type": "pipeline", "componentId": "both", "outputs": {"best": {"value": "${{parent.outputs.o}}"}}}
        },
    }
    jobs = {"top": {"type": "pipeline", "componentId": "top", "display_name": "The top"}}

    graph = read_pipeline({"jobs": jobs}, {**COMPONENTS, "top": top}.__getitem__)

    assert list(graph.nested) == ["top", "top.deep"]
    assert graph.nested["top"].display_name == "The top"
    assert graph.nested["top"].outputs == {"o": FromStep("top.deep.use", "model")}


def test_a_pipeline_component_without_steps_is_taken() -> None:
    graph = read_pipeline(
        {"jobs": {"nothing": {"type": "pipeline", "componentId": "empty"}}},
        {"empty": {"type": "pipeline", "jobs": {}}}.__getitem__,
    )
    assert (graph.steps, list(graph.nested)) == ({}, ["nothing"])


VALUES = {
    "write": {
        "type": "command",
        "command": "true",
        "outputs": {"flag": {"type": "boolean"}, "f": {"type": "uri_file"}},
    },
    "read": {"type": "command", "command": "echo ${{inputs.flag}}", "inputs": {"flag": {"type": "boolean"}}},
    "count": {"type": "command", "command": "echo ${{inputs.n}}", "inputs": {"n": {"type": "integer", "max": "20"}}},
}


def test_a_value_that_a_step_writes_can_be_bound_to_a_value_but_a_file_cannot() -> None:
    jobs = {"w": node("write"), "r": node("read", inputs={"flag": bound("${{parent.jobs.w.outputs.flag}}")})}
    step = read_pipeline({"jobs": jobs}, VALUES.__getitem__).steps["r"]
    assert (step.inputs["flag"].type, step.inputs["flag"].source) == ("boolean", FromStep("w", "flag"))

    jobs["r"]["inputs"]["flag"] = bound("${{parent.jobs.w.outputs.f}}")
    with pytest.raises(BadRequest, match="needs a value of type boolean"):
        read_pipeline({"jobs": jobs}, VALUES.__getitem__)


@pytest.mark.parametrize("name", ["group.flag", "flag"])
def test_the_boolean_of_a_group_is_bound(name: str) -> None:
    jobs = {"r": node("read", inputs={"flag": bound(f"${{{{parent.inputs.{name}}}}}")})}
    graph = read_pipeline({"jobs": jobs, "inputs": {name: {"value": True}}}, VALUES.__getitem__)
    assert graph.steps["r"].inputs["flag"].source == Literal("True")


def test_an_integer_takes_any_number() -> None:
    for text in ("10.01", "7"):
        graph = read_pipeline({"jobs": {"c": node("count", inputs={"n": bound(text)})}}, VALUES.__getitem__)
        assert graph.steps["c"].inputs["n"].source == Literal(text)
    for text, words in (("much", "of type integer"), ("20.5", "at most 20")):
        with pytest.raises(BadRequest, match=words):
            read_pipeline({"jobs": {"c": node("count", inputs={"n": bound(text)})}}, VALUES.__getitem__)


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


@pytest.mark.parametrize("kind", ["spark", "data_transfer"])
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
    assert (settings.mini_batch_size, settings.workers, settings.retries, settings.timeout) == (1, 6, 4, 120.0)
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
    "an unclosed quote": ({"task": {"program_arguments": "'"}}, "program_arguments cannot be read"),
}


@pytest.mark.parametrize(("more", "words"), WRONG_PARALLEL.values(), ids=WRONG_PARALLEL.keys())
def test_a_wrong_parallel_step_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_parallel(**more)

    assert words in refused.value.message


def test_partitions_by_key_are_refused() -> None:
    with pytest.raises(NotModelled, match="partitioned by keys"):
        read_parallel(partition_keys='["region"]')
