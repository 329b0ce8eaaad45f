"""Jobs that end well or badly: logs, errors, time-outs, cancel, parallel steps, and a killed emulator."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator

LITERAL = "literal"
CURATED = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"


def out(step: str, name: str) -> dict[str, str]:
    return {"value": f"${{{{parent.jobs.{step}.outputs.{name}}}}}", "job_input_type": LITERAL}


def step(component: str, **more: Any) -> dict[str, Any]:
    return {"type": "command", "componentId": component, **more}


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_crash_shows_its_last_words_and_later_steps_are_not_run_but_others_are(submitter: Any) -> None:
    # given a pipeline whose first step crashes, one that needs it and one that does not
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


def test_a_failure_ends_the_pipeline_where_its_settings_say_so(submitter: Any) -> None:
    slow = submitter.component("sleep 60")
    crash = submitter.component("exit 1")

    name = submitter.pipeline({"slow": step(slow), "crash": step(crash)}, settings={"continue_on_step_failure": False})

    assert submitter.wait(name)["status"] == "Failed"
    assert submitter.steps(name)["slow"]["status"] == "Canceled"


def test_a_step_that_takes_too_long_is_ended(submitter: Any) -> None:
    name = submitter.command("sleep 60", limits={"jobLimitsType": "Command", "timeout": "PT1S"})

    details = submitter.wait(name)

    assert details["status"] == "Failed"
    assert "exceeded its timeout of 1 s" in details["error"]["error"]["message"]


def test_a_script_that_is_not_there_is_named_with_what_is(submitter: Any, scripts: Callable[..., Path]) -> None:
    name = submitter.command("python missing.py", codeId=submitter.code(scripts(present="pass")))

    message = submitter.wait(name)["error"]["error"]["message"]

    assert "'missing.py'" in message
    assert "present.py" in message


def test_an_input_that_is_not_there_is_named_before_anything_runs(submitter: Any) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/no/such.csv"

    name = submitter.command("cat ${{inputs.raw}}", inputs={"raw": {"jobInputType": "uri_file", "uri": uri}})
    details = submitter.wait(name)

    assert details["status"] == "Failed"
    assert "'raw'" in details["error"]["error"]["message"]
    assert uri in details["error"]["error"]["message"]
    assert details["startTimeUtc"] is None


def pid_of(submitter: Any, name: str) -> int:
    """The process that a job's log names."""
    deadline = time.monotonic() + 60
    while "\npid " not in (log := submitter.log(name) if submitter.details(name)["logFiles"] else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(log.rpartition("pid ")[2])


def test_a_canceled_job_ends_with_all_its_processes(submitter: Any) -> None:
    # given a step that started a process of its own
    name = submitter.command("sleep 600 & echo pid $!; wait")
    child = pid_of(submitter, name)

    # when it is canceled, twice
    assert submitter.cancel(name).status_code == 202
    assert submitter.cancel(name).status_code == 202

    # then it ended, and so did the other process
    assert submitter.wait(name)["status"] == "Canceled"
    assert is_gone(child)
    submitter.cancel(name)
    assert submitter.details(name)["status"] == "Canceled"


def test_steps_that_do_not_need_each_other_run_at_once(submitter: Any, tmp_path: Path) -> None:
    # given two steps, each of which ends only when it sees the other run
    meet = (
        "mkdir -p {place} && touch {place}/{me} && for i in $(seq 600); do "
        "test -e {place}/{other} && exit 0; sleep 0.1; done; exit 1"
    )
    place = tmp_path / "meet"
    one = submitter.component(meet.format(place=place, me="one", other="two"))
    two = submitter.component(meet.format(place=place, me="two", other="one"))

    name = submitter.pipeline({"one": step(one), "two": step(two)})

    assert submitter.wait(name)["status"] == "Completed"


def test_what_a_step_is_told(submitter: Any) -> None:
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
        ({"jobType": "Sweep"}, 501, "NotImplemented", "Sweep"),
        (
            {"jobType": "Command", "command": "true", "computeId": "nowhere", "environmentId": CURATED},
            400,
            "UserError",
            "compute 'nowhere'",
        ),
        ({"jobType": "Command", "command": "true", "environmentId": "gone:1"}, 400, "UserError", "gone:1"),
        ({"jobType": "Pipeline", "jobs": {"a": {"componentId": "gone:1"}}}, 400, "UserError", "component"),
    ],
    ids=["another-type", "no-such-compute", "no-such-environment", "no-such-component"],
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


def test_a_killed_emulator_leaves_no_process_and_its_jobs_failed_with_the_reason(
    fresh_emulator: Callable[..., RunningEmulator],
    submitter_of: Callable[[RunningEmulator], Any],
    scripts: Callable[..., Path],
) -> None:
    # given a pipeline in the middle of a step, with another that waits for it
    running = fresh_emulator()
    submitter = submitter_of(running)
    sleeper = scripts(sleeper="import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)")
    first = submitter.component(
        "python sleeper.py", code=submitter.code(sleeper), outputs={"o": {"type": "uri_folder"}}
    )
    second = submitter.component("true", inputs={"x": {"type": "uri_folder"}})
    name = submitter.pipeline({"first": step(first), "second": step(second, inputs={"x": out("first", "o")})})
    submitter.wait(name, "Running")
    child = submitter.steps(name)["first"]["runId"]
    submitter.wait(child, "Running")
    deadline = time.monotonic() + 60
    while "\npid " not in (log := submitter.log(child)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int(log.rpartition("pid ")[2])
    assert not is_gone(pid)

    # when the emulator is killed and started again
    running.kill()
    running.restart()

    # then
    submitter = submitter_of(running)
    details = submitter.details(name)
    assert details["status"] == "Failed"
    assert "emulator stopped" in details["error"]["error"]["message"]
    assert {key: value["status"] for key, value in submitter.steps(name).items()} == {
        "first": "Failed",
        "second": "Canceled",
    }
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_job_leaves_is_for_its_owner_only(
    fresh_emulator: Callable[..., Any], submitter_of: Callable[..., Any], scripts: Callable[..., Path]
) -> None:
    # given an emulator that was started by someone whose files others may read
    before = os.umask(0o022)
    try:
        running = fresh_emulator(step_launcher="plain")
    finally:
        os.umask(before)
    submitter = submitter_of(running)
    # when a snapshot is uploaded and a job writes files and folders of its own
    code = submitter.code(scripts(write="import pathlib; pathlib.Path('outputs/a/b').mkdir(parents=True)"))
    command = "python write.py && echo text > outputs/a/b/file.txt"
    assert submitter.wait(submitter.command(command, codeId=code))["status"] == "Completed"
    # then nothing in the state folder is for anybody else
    open_to_others = {
        path.relative_to(running.settings.state)
        for path in running.settings.state.rglob("*")
        if stat.S_IMODE(path.lstat().st_mode) & 0o077
    }
    assert open_to_others == set()


def test_a_killed_emulator_takes_the_commands_of_its_jobs_with_it(
    fresh_emulator: Callable[..., RunningEmulator], submitter_of: Callable[[RunningEmulator], Any]
) -> None:
    # given a shell command that started another process
    running = fresh_emulator()
    submitter = submitter_of(running)
    child = pid_of(submitter, submitter.command("sleep 600 & echo pid $!; wait"))
    assert not is_gone(child)
    # when the emulator is killed, and not started again
    running.kill()
    # then the process ends soon
    deadline = time.monotonic() + 10
    while not is_gone(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
