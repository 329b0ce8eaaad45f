"""Control nodes read from a job's document: what they wait for, their iterations, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.definitions.control_flow import DoWhile, ParallelFor
from azureml_emulator.jobs.definitions.steps import Data, FromStep, Gate, Graph, Literal
from azureml_emulator.jobs.graph.reader import read_pipeline
from azureml_emulator.kernel.errors import BadRequest, NotModelled

MAKE = {
    "type": "command",
    "command": "python make.py ${{inputs.rate}} $[[${{inputs.data}}]] ${{outputs.out}} ${{outputs.more}}",
    "inputs": {
        "rate": {"type": "number", "default": "0.5"},
        "data": {"type": "uri_folder", "optional": True},
    },
    "outputs": {"out": {"type": "uri_folder"}, "more": {"type": "boolean"}},
}
BODY = {
    "type": "pipeline",
    "inputs": {"rate": {"type": "number"}},
    "outputs": {"out": {"type": "uri_folder"}},
    "jobs": {
        "make": {
            "type": "command",
            "componentId": "make",
            "inputs": {"rate": {"value": "${{parent.inputs.rate}}"}},
            "outputs": {"out": {"value": "${{parent.outputs.out}}"}},
        }
    },
}
COMPONENTS = {"make": MAKE, "body": BODY}


def read(control: dict[str, Any], body: dict[str, Any] | None = None, **properties: Any) -> Graph:
    """A pipeline of a control node `n` and the step `b`."""
    given = {"type": "command", "componentId": "make", **(body or {})}
    return read_pipeline({"jobs": {"b": given, "n": control}, **properties}, COMPONENTS.__getitem__)


def test_steps_of_a_branch_wait_for_the_condition() -> None:
    jobs = {
        "judge": {"type": "command", "componentId": "make"},
        "yes": {"type": "command", "componentId": "make"},
        "no": {"type": "pipeline", "componentId": "body", "inputs": {"rate": {"value": "1"}}},
        "n": {
            "type": "if_else",
            "condition": "${{parent.jobs.judge.outputs.more}}",
            "true_block": ["${{parent.jobs.yes}}"],
            "false_block": "${{parent.jobs.no}}",
        },
    }

    graph = read_pipeline({"jobs": jobs}, COMPONENTS.__getitem__)

    assert graph.controls["n"].needs == {"judge"}
    assert graph.steps["yes"].gates == (Gate("n", taken=True),)
    assert graph.steps["no.make"].gates == (Gate("n", taken=False),)
    assert next(iter(graph.steps)) == "judge"


def test_the_next_iteration_of_a_loop_reads_the_last_one() -> None:
    control = {
        "type": "do_while",
        "body": "${{parent.jobs.b}}",
        "condition": "${{parent.jobs.b.outputs.more}}",
        "mapping": {"out": "data"},
        "limits": {"max_iteration_count": 3},
    }

    loop = read(control).controls["n"]

    assert isinstance(loop, DoWhile)
    assert (loop.condition, loop.mapping, loop.limit) == ("more", {"out": ("data",)}, 3)
    first, second = loop.checked[0], loop.read("1", {"data": FromStep("n.b_0", "out")})
    assert "data" not in first.steps["n.b_0"].inputs
    assert second.steps["n.b_1"].inputs["data"].source == FromStep("n.b_0", "out")


@pytest.mark.parametrize("condition", [None, True, "True"])
def test_a_loop_that_is_always_true_ends_at_its_limit(condition: Any) -> None:
    control = {"type": "do_while", "body": "${{parent.jobs.b}}", "condition": condition}

    loop = read({**control, "limits": {"max_iteration_count": 2}}).controls["n"]

    assert isinstance(loop, DoWhile)
    assert (loop.condition, loop.limit) == (None, 2)


def test_items_are_inputs_of_the_steps_of_a_pipeline() -> None:
    control = {"type": "parallel_for", "body": "${{parent.jobs.b}}", "items": '{"x": {"rate": 1}, "y": {"rate": 2.5}}'}

    loop = read(control, body={"type": "pipeline", "componentId": "body"}).controls["n"]

    assert isinstance(loop, ParallelFor)
    rates = {each.name: each.steps[f"{each.name}.make"].inputs["rate"].source for each in loop.checked}
    assert rates == {"n.b_x": Literal("1"), "n.b_y": Literal("2.5")}
    assert loop.output_types == {"out": "mltable"}


def test_items_may_be_data() -> None:
    data = '[{"data": {"uri": "azureml://datastores/d/paths/p", "job_input_type": "uri_folder"}}]'

    loop = read({"type": "parallel_for", "body": "${{parent.jobs.b}}", "items": data}).controls["n"]

    (only,) = loop.checked
    assert only.steps["n.b_0"].inputs["data"].source == Data("azureml://datastores/d/paths/p", "uri_folder")


LOOPS = {
    "no limit": ({"type": "do_while", "body": "${{parent.jobs.b}}"}, "max_iteration_count"),
    "too high a limit": (
        {"type": "do_while", "body": "${{parent.jobs.b}}", "limits": {"max_iteration_count": 1001}},
        "from 1 to 1000",
    ),
    "an unknown body": ({"type": "do_while", "body": "${{parent.jobs.c}}"}, "unknown step 'c'"),
    "a condition that is data": (
        {"type": "do_while", "body": "${{parent.jobs.b}}", "condition": "out"},
        "'out', which is not a boolean output",
    ),
    "a mapping of unknown outputs": (
        {"type": "do_while", "body": "${{parent.jobs.b}}", "mapping": {"${{parent.jobs.b.outputs.x}}": ["rate"]}},
        "mapping names 'x'",
    ),
    "items that are no objects": ({"type": "parallel_for", "body": "${{parent.jobs.b}}", "items": "[1]"}, "objects"),
    "items that are no JSON": ({"type": "parallel_for", "body": "${{parent.jobs.b}}", "items": "x"}, "not JSON"),
    "an item with an unknown input": (
        {"type": "parallel_for", "body": "${{parent.jobs.b}}", "items": '[{"other": 1}]'},
        "no input 'other'",
    ),
    "no condition": ({"type": "if_else", "true_block": "${{parent.jobs.b}}"}, "condition is missing"),
    "no branch": ({"type": "if_else", "condition": "True"}, "names no step"),
}


@pytest.mark.parametrize(("control", "reason"), LOOPS.values(), ids=LOOPS.keys())
def test_control_nodes_that_could_not_decide_are_refused(control: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        read(control)


def test_an_output_of_a_loop_cannot_be_registered() -> None:
    loop = {
        "type": "parallel_for",
        "body": "${{parent.jobs.b}}",
        "items": "[{}]",
        "outputs": {"out": {"value": "${{parent.outputs.all}}", "type": "literal"}},
    }

    with pytest.raises(NotModelled, match="'all' of a loop"):
        read(loop, outputs={"all": {"assetName": "a"}})


def test_a_loop_cannot_write_an_unknown_output() -> None:
    loop = {
        "type": "parallel_for",
        "body": "${{parent.jobs.b}}",
        "items": "[{}]",
        "outputs": {"out": {"value": "${{parent.outputs.all}}", "type": "literal"}},
    }

    with pytest.raises(BadRequest, match="unknown output 'all'"):
        read(loop)


def test_a_condition_that_no_step_of_the_body_writes_is_refused() -> None:
    body = {**BODY, "outputs": {"out": {"type": "uri_folder"}, "more": {"type": "boolean"}}}
    control = {"type": "do_while", "body": "${{parent.jobs.b}}", "condition": "more"}
    jobs = {
        "b": {"type": "pipeline", "componentId": "body", "inputs": {"rate": {"value": "1"}}},
        "n": {**control, "limits": {"max_iteration_count": 2}},
    }

    with pytest.raises(BadRequest, match="no step that writes its output 'more'"):
        read_pipeline({"jobs": jobs}, {"make": MAKE, "body": body}.__getitem__)
