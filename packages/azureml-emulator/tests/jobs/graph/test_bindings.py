"""What the nodes of a pipeline are bound to: settings, values that steps write, groups, nested pipelines, numbers."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.definitions.steps import Data, FromStep, Graph, Literal
from azureml_emulator.jobs.graph.reader import read_pipeline
from azureml_emulator.kernel.errors import BadRequest

MAKE = {
    "type": "command",
    "command": "echo ${{inputs.rate}} > ${{outputs.out}}/x",
    "inputs": {"rate": {"type": "number", "default": "0.5"}},
    "outputs": {"out": {"type": "uri_folder"}},
}
USE = {
    "type": "command",
    "command": "cp ${{inputs.data}}/x ${{outputs.model}}",
    "inputs": {"data": {"type": "uri_folder"}},
    "outputs": {"model": {"type": "mlflow_model"}},
}
BOTH = {
    "type": "pipeline",
    "outputs": {"best": {"type": "mlflow_model"}},
    "jobs": {
        "make": {"type": "command", "componentId": "make"},
        "use": {
            "type": "command",
            "componentId": "use",
            "inputs": {"data": {"value": "${{parent.jobs.make.outputs.out}}"}},
            "outputs": {"model": {"value": "${{parent.outputs.best}}"}},
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


def test_a_path_below_a_folder_of_the_pipeline_is_data() -> None:
    inputs = {
        "folder": {"job_input_type": "uri_folder", "uri": "azureml://datastores/d/paths/data/", "mode": "Download"},
        "part": {"job_input_type": "literal", "value": "a.csv"},
    }
    use = node("use", inputs={"data": bound("${{parent.inputs.folder}}/${{parent.inputs.part}}")})

    graph = read({"use": use}, inputs=inputs)

    expected = Data("azureml://datastores/d/paths/data/a.csv", "uri_folder", "download")
    assert graph.steps["use"].inputs["data"].source == expected


def test_text_after_a_folder_that_is_no_path_is_refused() -> None:
    inputs = {"folder": {"job_input_type": "uri_folder", "uri": "azureml://datastores/d/paths/data/"}}
    use = node("use", inputs={"data": bound("${{parent.inputs.folder}}.csv")})

    with pytest.raises(BadRequest, match="is not a literal value, which text requires"):
        read({"use": use}, inputs=inputs)


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
    assert graph.steps["inner.make"].inputs["rate"].source == Literal("0.5")
    assert graph.steps["after"].inputs["data"].source == FromStep("inner.use", "model")
    assert graph.outputs == {"top": FromStep("inner.use", "model")}
