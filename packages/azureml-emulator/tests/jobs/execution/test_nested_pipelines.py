"""Nested pipelines keep their level: children of children, states, logs, outputs, reuse, cancel, deletion."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("jobs")

FOLDER = {"type": "uri_folder"}


def literal(text: str) -> dict[str, str]:
    return {"value": text, "job_input_type": "literal"}


def node(component: str, kind: str = "command", **more: Any) -> dict[str, Any]:
    return {"type": kind, "componentId": component, **more}


def pipeline_component(submitter: Any, jobs: dict[str, Any], **specification: Any) -> str:
    identifier = f"{submitter.workspace}/components/azureml_anonymous/versions/{uuid.uuid4()}"
    body = {"properties": {"componentSpec": {"type": "pipeline", "jobs": jobs, **specification}}}
    submitter.http.put(identifier, params={"api-version": "2023-04-01"}, json=body).raise_for_status()
    return identifier


def two_levels(submitter: Any, first: str, second: str, **pipeline: Any) -> str:
    """outer → inner → (first, then second, which reads what first wrote); the output `out` goes all the way up."""
    make = submitter.component(first, outputs={"o": FOLDER})
    use = submitter.component(second, inputs={"x": FOLDER}, outputs={"o": FOLDER})
    inner = pipeline_component(
        submitter,
        {
            "make": node(make),
            "use": node(
                use,
                inputs={"x": literal("${{parent.jobs.make.outputs.o}}")},
                outputs={"o": literal("${{parent.outputs.out}}")},
            ),
        },
        outputs={"out": FOLDER},
    )
    bound = {"outputs": {"out": literal("${{parent.outputs.out}}")}}
    outer = pipeline_component(submitter, {"inner": node(inner, "pipeline", **bound)}, outputs={"out": FOLDER})
    jobs = {"outer": node(outer, "pipeline", **bound), "beside": node(submitter.component("echo beside"))}
    return submitter.pipeline(jobs, outputs={"out": {"jobOutputType": "uri_folder"}}, **pipeline)


def test_children_are_those_of_one_level(submitter: Any) -> None:
    # when a pipeline with two levels ran
    unique = uuid.uuid4()
    name = two_levels(
        submitter, f"echo {unique} > ${{{{outputs.o}}}}/a", "cp ${{inputs.x}}/a ${{outputs.o}}/b; echo used"
    )
    assert submitter.wait(name)["status"] == "Completed"

    # then each level has its own children, and the steps know their root
    top = submitter.steps(name)
    assert set(top) == {"outer", "beside"}
    (inner,) = submitter.steps(top["outer"]["runId"]).values()
    steps = submitter.steps(inner["runId"])
    assert set(steps) == {"make", "use"}
    assert (inner["displayName"], inner["runType"], inner["status"]) == ("inner", "azureml.PipelineRun", "Completed")
    assert (steps["use"]["parentRunId"], steps["use"]["rootRunId"]) == (inner["runId"], name)
    assert steps["use"]["properties"]["azureml.moduleName"] == "use"
    # each level has its log and its output
    assert "used" in submitter.log(steps["use"]["runId"])
    assert "use: Completed" in submitter.log(inner["runId"])
    assert "outer.inner.use: Completed" in submitter.log(name)
    outputs = [set(run["outputs"]) for run in (top["outer"], inner)]
    assert outputs == [{"out"}, {"out"}]
    # and the same pipeline again is reused step by step
    again = two_levels(
        submitter, f"echo {unique} > ${{{{outputs.o}}}}/a", "cp ${{inputs.x}}/a ${{outputs.o}}/b; echo used"
    )
    submitter.wait(again)
    (inner,) = submitter.steps(submitter.steps(again)["outer"]["runId"]).values()
    reused = {key: run["properties"].get("azureml.isreused") for key, run in submitter.steps(inner["runId"]).items()}
    assert reused == {"make": "true", "use": "true"}


def test_a_failed_inner_step_fails_every_level_with_its_name(submitter: Any) -> None:
    name = two_levels(submitter, "echo the reason; exit 3", "true")

    details = submitter.wait(name)

    outer = submitter.steps(name)["outer"]
    (inner,) = submitter.steps(outer["runId"]).values()
    states = {key: run["status"] for key, run in submitter.steps(inner["runId"]).items()}
    assert [details["status"], outer["status"], inner["status"]] == ["Failed"] * 3
    assert states == {"make": "Failed", "use": "Canceled"}
    for run in (details, outer, inner):
        message = run["error"]["error"]["message"]
        assert "Step 'outer.inner.make'" in message
        assert "the reason" in message


@pytest.mark.parametrize("level", ["job", "outer", "make"])
def test_a_cancel_reaches_what_is_inside_and_nothing_else(submitter: Any, level: str) -> None:
    # given a pipeline whose inner step runs
    name = two_levels(submitter, "echo; echo pid $$; exec sleep 60", "true")

    def running() -> dict[str, Any] | None:
        outer = submitter.steps(name).get("outer", {})
        inner = submitter.steps(outer["runId"]).get("inner", {}) if outer else {}
        make = submitter.steps(inner["runId"]).get("make", {}) if inner else {}
        found = {"job": name, "outer": outer.get("runId"), "inner": inner.get("runId"), "make": make.get("runId")}
        return found if make.get("status") == "Running" else None

    runs = wait_for(running)
    wait_for(lambda: submitter.steps(name)["beside"]["status"] == "Completed")
    # when one level is canceled
    assert submitter.cancel(runs[level]).status_code == 202
    # then all that is inside is canceled, and so are the levels around it, whose outputs never come
    states = {key: submitter.wait(run)["status"] for key, run in runs.items()}
    assert states == dict.fromkeys(states, "Canceled")
    assert submitter.steps(runs["inner"])["use"]["status"] == "Canceled"
    assert submitter.steps(name)["beside"]["status"] == "Completed"


def test_a_deleted_pipeline_takes_all_its_levels_with_it(submitter: Any) -> None:
    name = two_levels(submitter, "true", "true")
    submitter.wait(name)
    (inner,) = submitter.steps(submitter.steps(name)["outer"]["runId"]).values()

    reply = submitter.http.delete(f"{submitter.workspace}/jobs/{name}")

    assert reply.status_code in {200, 202, 204}
    assert submitter.http.get(f"{submitter.workspace}/jobs/{inner['runId']}").status_code == 404


def test_a_pipeline_component_without_steps_completes(submitter: Any) -> None:
    empty = pipeline_component(submitter, {})

    name = submitter.pipeline({"nothing": node(empty, "pipeline")})

    assert submitter.wait(name)["status"] == "Completed"
    assert submitter.steps(name)["nothing"]["status"] == "Completed"
