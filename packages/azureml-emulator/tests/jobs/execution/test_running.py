"""Jobs that run, fail, time out or are canceled: states, logs, errors, processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.processes.process_identity import process_start_time

pytestmark = pytest.mark.xdist_group("jobs")

CURATED = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"


def out(step: str, name: str) -> dict[str, str]:
    return {"value": f"${{{{parent.jobs.{step}.outputs.{name}}}}}", "job_input_type": "literal"}


def step(component: str, **more: Any) -> dict[str, Any]:
    return {"type": "command", "componentId": component, **more}


def test_a_failed_step_cancels_the_steps_that_need_it_and_no_others(submitter: Any) -> None:
    # given a pipeline with a step that fails, one that needs it and one that does not
    crash = submitter.component("echo before >&2; echo the reason; exit 7", outputs={"o": {"type": "uri_folder"}})
    after = submitter.component("cat ${{inputs.x}}", inputs={"x": {"type": "uri_folder"}})
    alone = submitter.component("echo fine")

    # when it runs
    name = submitter.pipeline(
        {"crash": step(crash), "after": step(after, inputs={"x": out("crash", "o")}), "alone": step(alone)}
    )
    details = submitter.wait(name)

    # then
    steps = submitter.steps(name)
    assert details["status"] == "Failed"
    assert {key: value["status"] for key, value in steps.items()} == {
        "crash": "Failed",
        "after": "Canceled",
        "alone": "Completed",
    }
    message = details["error"]["error"]["message"]
    assert "Step 'crash'" in message
    assert "exited with code 7" in message
    assert "the reason" in message
    assert "after: not run" in submitter.log(name)


def test_without_continue_on_step_failure_a_failure_ends_the_pipeline(submitter: Any) -> None:
    slow = submitter.component("sleep 60")
    crash = submitter.component("exit 1")

    name = submitter.pipeline({"slow": step(slow), "crash": step(crash)}, settings={"continue_on_step_failure": False})

    assert submitter.wait(name)["status"] == "Failed"
    assert submitter.steps(name)["slow"]["status"] == "Canceled"


def test_a_step_beyond_its_timeout_fails(submitter: Any) -> None:
    name = submitter.command("sleep 60", limits={"jobLimitsType": "Command", "timeout": "PT1S"})

    details = submitter.wait(name)

    assert details["status"] == "Failed"
    assert "exceeded its timeout of 1 s" in details["error"]["error"]["message"]


def test_a_missing_script_is_named_with_those_that_exist(submitter: Any, scripts: Callable[..., Path]) -> None:
    name = submitter.command("python missing.py", codeId=submitter.code(scripts(present="pass")))

    message = submitter.wait(name)["error"]["error"]["message"]

    assert "'missing.py'" in message
    assert "present.py" in message


def test_a_missing_input_fails_the_job_before_it_starts(submitter: Any) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/no/such.csv"

    name = submitter.command("cat ${{inputs.raw}}", inputs={"raw": {"jobInputType": "uri_file", "uri": uri}})
    details = submitter.wait(name)

    assert details["status"] == "Failed"
    assert "'raw'" in details["error"]["error"]["message"]
    assert uri in details["error"]["error"]["message"]
    assert details["startTimeUtc"] is None


def test_a_value_that_a_step_writes_reaches_the_next_as_text(submitter: Any) -> None:
    # given steps that write a value, and one that takes it as a boolean
    flag = {"flag": {"type": "boolean"}}
    good, bad = (
        submitter.component(f"echo {text} > ${{{{outputs.flag}}}}", outputs=flag) for text in ("true", "maybe")
    )
    read = submitter.component("echo got ${{inputs.flag}}", inputs=flag)

    # when they run
    names = [
        submitter.pipeline({"w": step(write), "r": step(read, inputs={"flag": out("w", "flag")})})
        for write in (good, bad)
    ]
    taken, refused = (submitter.wait(name) for name in names)

    # then the text is passed, if it is a boolean
    assert taken["status"] == "Completed"
    assert "got true" in submitter.log(submitter.steps(names[0])["r"]["runId"])
    assert refused["status"] == "Failed"
    assert "must be a boolean, not 'maybe'" in refused["error"]["error"]["message"]


def test_a_name_that_is_taken_runs_nothing_else(submitter: Any, assert_azure_error: Any) -> None:
    # given a job that ended, and one with the same name and another command
    ran, other = (
        {"jobType": "Command", "command": f"echo {text}", "environmentId": CURATED} for text in ("one", "two")
    )
    name = submitter.submit(ran)
    submitter.wait(name)

    # when both are sent again
    same, refused = submitter.put(name, {**ran, "tags": {"a": "b"}}), submitter.put(name, other)

    # then the same job takes the tags and does not run again, and the other one is refused
    assert (same.status_code, same.json()["properties"]["tags"]) == (200, {"a": "b"})
    assert_azure_error(refused, 400, "UserError", "A job with this name already exists", "Command cannot be changed")
    assert submitter.http.get(f"{submitter.workspace}/jobs/{name}").json()["properties"]["command"] == "echo one"
    read = submitter.component("echo ${{inputs.x}}", inputs={"x": {"type": "string"}})
    pipeline = {
        "jobType": "Pipeline",
        "jobs": {"s": step(read, inputs={"x": {"value": "1", "job_input_type": "literal"}})},
    }
    name = submitter.submit(pipeline)
    changed = {**pipeline, "jobs": {"s": step(read, inputs={"x": {"value": "2", "job_input_type": "literal"}})}}
    assert_azure_error(submitter.put(name, changed), 400, "UserError", "Jobs cannot be changed")


def test_what_has_ended_is_not_canceled(submitter: Any, assert_azure_error: Any) -> None:
    command = submitter.command("true")
    pipeline = submitter.pipeline({"s": step(submitter.component("true"))})
    for name in (command, pipeline):
        assert submitter.wait(name)["status"] == "Completed"

    assert submitter.cancel(command).status_code == 200
    refusal = f"The pipeline run {pipeline} is in terminal status, it can't be canceled."
    assert_azure_error(submitter.cancel(pipeline), 400, "UserError", refusal)
    assert {submitter.details(name)["status"] for name in (command, pipeline)} == {"Completed"}


def test_a_canceled_job_ends_with_all_its_processes(submitter: Any) -> None:
    # given a step that has started another process
    name = submitter.command("sleep 600 & echo pid $!; wait")
    child = submitter.process(name)

    # when it is canceled, twice
    assert submitter.cancel(name).status_code == 202
    assert submitter.cancel(name).status_code in {200, 202}

    # then it has ended, and so has the other process
    assert submitter.wait(name)["status"] == "Canceled"
    assert process_start_time(child) is None
    assert submitter.cancel(name).status_code == 200
    assert submitter.details(name)["status"] == "Canceled"


def test_independent_steps_run_concurrently(submitter: Any, tmp_path: Path) -> None:
    # given two steps, each of which waits until the other one runs
    meet = (
        "mkdir -p {place} && touch {place}/{me} && for i in $(seq 3000); do "
        "test -e {place}/{other} && exit 0; sleep 0.1; done; exit 1"
    )
    place = tmp_path / "meet"
    one = submitter.component(meet.format(place=place, me="one", other="two"))
    two = submitter.component(meet.format(place=place, me="two", other="one"))

    name = submitter.pipeline({"one": step(one), "two": step(two)})

    assert submitter.wait(name)["status"] == "Completed"


def test_variables_inputs_and_outputs_of_a_step(submitter: Any) -> None:
    name = submitter.command(
        'echo "$AZUREML_RUN_ID $AZUREML_ROOT_RUN_ID $AZUREML_EXPERIMENT_NAME $GIVEN $AZURE_ML_INPUT_x"; '
        "echo kept > outputs/kept.txt",
        environmentVariables={"GIVEN": "mine"},
        inputs={"x": {"jobInputType": "literal", "value": "3"}},
    )

    submitter.wait(name)

    assert f"{name} {name} tests mine 3" in submitter.log(name)


@pytest.mark.parametrize(
    ("properties", "status", "code", "words"),
    [
        ({"jobType": "Labeling"}, 501, "NotImplemented", "Labeling"),
        (
            {"jobType": "Command", "command": "true", "computeId": "missing", "environmentId": CURATED},
            400,
            "UserError",
            "compute 'missing'",
        ),
        ({"jobType": "Command", "command": "true", "environmentId": "gone:1"}, 400, "UserError", "gone:1"),
        ({"jobType": "Pipeline", "jobs": {"a": {"componentId": "gone:1"}}}, 400, "UserError", "component"),
    ],
    ids=["unknown-type", "unknown-compute", "unknown-environment", "unknown-component"],
)
def test_refused_at_submission(
    submitter: Any,
    assert_azure_error: Callable[..., None],
    properties: dict[str, Any],
    status: int,
    code: str,
    words: str,
) -> None:
    assert_azure_error(submitter.put("refused", properties), status, code, words)
