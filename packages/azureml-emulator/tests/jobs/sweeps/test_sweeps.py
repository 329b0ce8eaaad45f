"""Sweeps that run: trials, the best one's outputs, early termination, limits, bad days, an emulator that is killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

TRIAL = Path(__file__).with_name("trial.py").read_text()
OBJECTIVE = {"goal": "maximize", "primaryMetric": "score"}
BAYESIAN = {"samplingAlgorithmType": "Bayesian"}
FOLDER = {"jobOutputType": "uri_folder"}


def grid(*values: float) -> dict[str, Any]:
    """A search space of one parameter, all of whose values are tried in their order."""
    return {"searchSpace": {"x": ["choice", [list(values)]]}, "samplingAlgorithm": {"samplingAlgorithmType": "Grid"}}


def limits(trials: int, **more: Any) -> dict[str, Any]:
    return {"jobLimitsType": "Sweep", "maxTotalTrials": trials, **more}


@pytest.fixture
def sweep(submitter: Any, scripts: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    return sweeps_of(submitter, scripts)


def sweeps_of(submitter: Any, scripts: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    code = submitter.code(scripts(trial=TRIAL))

    def properties(mode: str = "once", **more: Any) -> dict[str, Any]:
        command = f"python trial.py ${{{{search_space.x}}}} {mode}"
        trial = {"codeId": code, "command": command, "environmentId": submitter.environment()}
        given = {"jobType": "Sweep", "experimentName": "tests", "objective": OBJECTIVE, "trial": trial}
        return {**given, **grid(1, 3, 2), "limits": limits(8), **more}

    return properties


def document(submitter: Any, name: str) -> dict[str, Any]:
    reply = submitter.http.get(f"{submitter.workspace}/jobs/{name}", params={"api-version": "2024-01-01-preview"})
    assert reply.status_code == 200, reply.text
    return reply.json()["properties"]


def trials(submitter: Any, name: str) -> dict[str, str]:
    """The states of a sweep's trials by their numbers."""
    children = submitter.http.get(f"/history/v1.0{submitter.workspace}/runs/{name}/children").json()["value"]
    return {child["runId"].removeprefix(f"{name}_"): child["status"] for child in children}


def output(submitter: Any, name: str, file: str) -> str:
    """A file of a job's output `model`."""
    uri = document(submitter, name)["outputs"]["model"]["uri"]
    identifier = f"azureml://jobs/{name}/outputs/model"
    body = {"values": [identifier]}
    route = f"/data/v1.0{submitter.workspace}/dataversion/batchGetResolvedUris"
    assert submitter.http.post(route, json=body).json()["values"][identifier]["uri"] == uri
    store, _, path = uri.partition("/datastores/")[2].partition("/paths/")
    scope, version = f"{submitter.workspace}/datastores/{store}", {"api-version": "2023-04-01"}
    facts = submitter.http.get(scope, params=version).json()["properties"]
    token = submitter.http.post(f"{scope}/listSecrets", params=version, json={}).json()["sasToken"]
    address = f"https://{facts['accountName'].rstrip('?')}/{facts['containerName']}"
    return submitter.http.get(f"{address}/{path}/{file}?{token}", headers={"Authorization": ""}).text


def test_every_point_of_a_grid_is_a_trial_and_the_best_ones_outputs_are_those_of_the_sweep(
    submitter: Any, sweep: Callable[..., dict[str, Any]]
) -> None:
    name = submitter.submit(sweep(outputs={"model": FOLDER}))

    assert submitter.wait(name)["status"] == "Completed"
    assert trials(submitter, name) == {"0": "Completed", "1": "Completed", "2": "Completed"}
    found = document(submitter, name)
    bag = found["properties"]
    assert (bag["best_child_run_id"], float(bag["score"]), bag["space_size"]) == (f"{name}_1", 3.0, "3")
    assert json.loads(found["tags"][f"_aml_system_{name}_1"]) == {"x": 3}
    assert output(submitter, name, "score.txt") == output(submitter, f"{name}_1", "score.txt") == "3 3"
    assert document(submitter, f"{name}_2")["parameters"] == {"x": 2}
    assert "the best is" in submitter.log(name)


def test_a_sweep_has_what_azure_fills_in(submitter: Any, sweep: Callable[..., dict[str, Any]]) -> None:
    sampling = {"searchSpace": {"x": ["uniform", [0, 1]]}, "samplingAlgorithm": {"samplingAlgorithmType": "Random"}}
    name = submitter.submit(sweep(**sampling, limits=limits(1)))

    submitter.wait(name)
    found = document(submitter, name)
    assert found["objective"] == {"goal": "Maximize", "primaryMetric": "score"}
    filled = {"samplingAlgorithmType": "Random", "rule": "Random", "seed": None, "logbase": None}
    assert found["samplingAlgorithm"] == filled
    assert found["earlyTermination"] is None
    assert found["trial"]["resources"]["instanceCount"] == 1
    assert found["properties"]["primary_metric_config"] == '{"name":"score","goal":"maximize"}'
    assert found["properties"]["space_size"] == "infinite_space_size"


def test_no_more_trials_run_at_the_same_time_than_allowed(
    submitter: Any, sweep: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    # given a sweep of three trials that wait, one at a time
    flag = tmp_path / "flag"
    given = sweep("wait", limits=limits(3, maxConcurrentTrials=1))
    given["trial"]["environmentVariables"] = {"FLAG": str(flag)}

    name = submitter.submit(given)
    submitter.process(wait_for(lambda: f"{name}_0" if trials(submitter, name) else None))

    # then there is one until it ends
    assert trials(submitter, name) == {"0": "Running"}
    flag.touch()
    assert submitter.wait(name)["status"] == "Completed"
    assert len(trials(submitter, name)) == 3


def test_a_policy_stops_a_trial_while_it_runs_and_keeps_its_score(
    submitter: Any, sweep: Callable[..., dict[str, Any]]
) -> None:
    # given a trial that is far better than the next one from the first report on
    policy = {"policyType": "Bandit", "slackFactor": 0.5, "evaluationInterval": 1, "delayEvaluation": 2}

    name = submitter.submit(
        sweep("grow", **grid(10, 1), earlyTermination=policy, limits=limits(2, maxConcurrentTrials=1))
    )

    assert submitter.wait(name)["status"] == "Completed"
    assert trials(submitter, name) == {"0": "Completed", "1": "Canceled"}
    assert f"{name}_1: stopped, because at interval" in submitter.log(name)
    assert document(submitter, name)["properties"]["best_child_run_id"] == f"{name}_0"


def test_a_trial_that_fails_or_exceeds_its_timeout_does_not_end_the_sweep(
    submitter: Any, sweep: Callable[..., dict[str, Any]]
) -> None:
    # given modes as a second parameter: one trial fails, one sleeps, one is fine
    space = {"x": ["choice", [[5]]], "mode": ["choice", [["fail", "sleep", "nan", "once"]]]}
    given = sweep(searchSpace=space, limits=limits(4, trialTimeout="PT2S"))
    given["trial"]["command"] = "python trial.py ${{search_space.x}} ${{search_space.mode}}"

    name = submitter.submit(given)

    assert submitter.wait(name)["status"] == "Completed"
    assert trials(submitter, name) == {"0": "Failed", "1": "Canceled", "2": "Completed", "3": "Completed"}
    # and the score of the trial that was stopped counts
    assert document(submitter, name)["properties"]["best_child_run_id"] == f"{name}_1"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", ("All 3 trials failed", "the trial with 1 fails")),
        ("nan", ("has reported a number as 'score'",)),
        ("silent", ("No trial has reported the primary metric 'score'", "mlflow.log_metric")),
    ],
)
def test_without_a_best_trial_the_sweep_fails_with_the_reason(
    submitter: Any, sweep: Callable[..., dict[str, Any]], mode: str, words: tuple[str, ...]
) -> None:
    details = submitter.wait(submitter.submit(sweep(mode)))

    assert details["status"] == "Failed"
    assert all(word in details["error"]["error"]["message"] for word in words), details["error"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"searchSpace": {}}, ("search space",)),
        ({"searchSpace": {"x": ["uniform", [2, 1]]}}, ("min_value 2 is above max_value 1",)),
        ({"searchSpace": {"x": ["triangular", [2, 1]]}}, ("unknown distribution 'triangular'",)),
        ({"searchSpace": {"x": ["uniform", [0, 1]]}}, ("Grid sampling cannot sample 'x'",)),
        ({"samplingAlgorithm": BAYESIAN, "searchSpace": {"x": ["normal", [0, 1]]}}, ("Bayesian",)),
        ({"limits": {"maxTotalTrials": 1001}}, ("from 1 to 1000",)),
        ({"objective": {"goal": "win", "primaryMetric": "score"}}, ("maximize or minimize",)),
        ({"earlyTermination": {"policyType": "TruncationSelection"}}, ("truncation_percentage",)),
        ({"trial": None}, ("needs a trial",)),
    ],
    ids=["empty", "bounds", "unknown", "grid", "bayesian", "trials", "goal", "truncation", "no-trial"],
)
def test_what_cannot_be_swept_is_refused(
    submitter: Any,
    sweep: Callable[..., dict[str, Any]],
    assert_azure_error: Callable[..., None],
    changes: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    assert_azure_error(submitter.put("refused", sweep(**changes)), 400, "UserError", *words)


def test_a_canceled_sweep_ends_its_trials(submitter: Any, sweep: Callable[..., dict[str, Any]]) -> None:
    name = submitter.submit(sweep("sleep"))
    wait_for(lambda: "Running" in trials(submitter, name).values())

    submitter.cancel(name)

    assert submitter.wait(name)["status"] == "Canceled"
    assert set(trials(submitter, name).values()) == {"Canceled"}


def test_a_trial_that_is_canceled_leaves_the_rest(submitter: Any, sweep: Callable[..., dict[str, Any]]) -> None:
    name = submitter.submit(sweep("sleep", **grid(1), limits=limits(1)))
    wait_for(lambda: "Running" in trials(submitter, name).values())

    submitter.cancel(f"{name}_0")

    assert submitter.wait(name)["status"] == "Failed"
    assert trials(submitter, name) == {"0": "Canceled"}


def test_a_sweep_that_exceeds_its_timeout_is_canceled_with_all_trials(
    submitter: Any, sweep: Callable[..., dict[str, Any]]
) -> None:
    name = submitter.submit(sweep("sleep", limits=limits(3, timeout="PT1S")))

    details = submitter.wait(name)

    assert details["status"] == "Canceled"
    assert "exceeded its timeout of 1 s" in details["error"]["error"]["message"]


def test_a_step_of_a_pipeline_passes_on_the_best_trials_output(submitter: Any, scripts: Callable[..., Path]) -> None:
    # given a component whose input is swept, and a step that reads its output
    code = submitter.code(scripts(trial=TRIAL))
    folder = {"type": "uri_folder"}
    trial = submitter.component(
        "python trial.py ${{inputs.x}} && cp outputs/artifact.txt ${{outputs.model}}",
        code=code,
        inputs={"x": {"type": "integer"}},
        outputs={"model": folder},
    )
    reader = submitter.component("cat ${{inputs.model}}/score.txt", inputs={"model": folder})
    tune = {
        "type": "sweep",
        "trial": {"componentId": trial},
        "search_space": {"x": {"type": "quniform", "min_value": 10, "max_value": 30, "q": 10.0}},
        "sampling_algorithm": "bayesian",
        "objective": {"goal": "minimize", "primary_metric": "score"},
        "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 600},
    }
    source = {"value": "${{parent.jobs.tune.outputs.model}}", "job_input_type": "literal"}
    read = {"type": "command", "componentId": reader, "inputs": {"model": source}}

    name = submitter.pipeline({"tune": tune, "read": read})

    # then it reads the lowest score
    assert submitter.wait(name)["status"] == "Completed"
    steps = submitter.steps(name)
    assert steps["tune"]["runType"] == "azureml.HyperDriveRun"
    best = steps["tune"]["properties"]["best_child_run_id"]
    lowest = float(steps["tune"]["properties"]["score"])
    assert f"\n{lowest:g} " in submitter.log(steps["read"]["runId"])
    assert submitter.details(best)["rootRunId"] == name


def swept_step(component: str, distribution: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A sweep step of a pipeline over its component's input `x`."""
    return {
        "type": "sweep",
        "trial": {"componentId": component},
        "search_space": {"x": distribution},
        "sampling_algorithm": {"type": "random", "seed": 5},
        "objective": {"goal": "maximize", "primary_metric": "score"},
        "limits": {"max_total_trials": 2},
        **more,
    }


def test_finished_trials_of_a_pipeline_are_reused_when_it_is_submitted_again(
    submitter: Any, scripts: Callable[..., Path]
) -> None:
    code = submitter.code(scripts(trial=TRIAL))
    component = submitter.component("python trial.py ${{inputs.x}}", code=code, inputs={"x": {"type": "number"}})
    step = swept_step(component, {"type": "uniform", "min_value": 0, "max_value": 1})

    sweeps = []
    for _ in range(2):
        name = submitter.pipeline({"tune": step})
        assert submitter.wait(name)["status"] == "Completed"
        sweeps.append(submitter.steps(name)["tune"])

    first, again = (sweep["properties"] for sweep in sweeps)
    assert again["score"] == first["score"]
    assert (
        submitter.details(again["best_child_run_id"])["properties"]["azureml.reusedrunid"]
        == (first["best_child_run_id"])
    )


@pytest.mark.parametrize(
    ("distribution", "words"),
    [
        ({"type": "choice", "values": ["many"]}, "must be of type integer"),
        ({"type": "choice", "values": [7, 8]}, "must be at most 5"),
    ],
    ids=["type", "range"],
)
def test_parameters_that_the_component_does_not_accept_are_named(
    submitter: Any, distribution: dict[str, Any], words: str
) -> None:
    component = submitter.component("echo ${{inputs.x}}", inputs={"x": {"type": "integer", "max": 5}})

    details = submitter.wait(submitter.pipeline({"tune": swept_step(component, distribution)}))

    assert details["status"] == "Failed"
    assert words in details["error"]["error"]["message"]


def test_a_search_space_of_something_else_than_inputs_is_refused(
    submitter: Any, assert_azure_error: Callable[..., None]
) -> None:
    component = submitter.component("echo ${{inputs.y}}", inputs={"y": {"type": "integer"}})
    step = swept_step(component, {"type": "choice", "values": [1]})

    reply = submitter.put("refused", {"jobType": "Pipeline", "jobs": {"tune": step}})

    assert_azure_error(reply, 400, "UserError", "has no input 'x'", "It has: y")


@pytest.mark.long
@pytest.mark.parametrize("interrupt", [RunningEmulator.kill, RunningEmulator.stop], ids=["killed", "stopped"])
def test_an_interrupted_emulator_goes_on_with_its_sweep(
    interrupt: Callable[[RunningEmulator], None],
    fresh_emulator: Callable[..., RunningEmulator],
    submitter_of: Callable[[RunningEmulator], Any],
    scripts: Callable[..., Path],
    tmp_path: Path,
) -> None:
    # given a sweep whose first trial has ended and whose second one waits
    emulator = fresh_emulator()
    submitter = submitter_of(emulator)
    flag = tmp_path / "flag"
    space = {"x": ["choice", [[7, 2, 5]]], "mode": ["choice", [["once"]]]}
    given = sweeps_of(submitter, scripts)(searchSpace=space, limits=limits(3, maxConcurrentTrials=1))
    given["trial"]["command"] = (
        "python trial.py ${{search_space.x}} $( [ ${{search_space.x}} = 7 ] && echo once || echo wait )"
    )
    given["trial"]["environmentVariables"] = {"FLAG": str(flag)}
    name = submitter.submit(given)
    wait_for(lambda: trials(submitter, name).get("1") == "Running")

    # when the emulator ends and is started again
    interrupt(emulator)
    emulator.restart()
    submitter = submitter_of(emulator)
    flag.touch()

    # then the sweep ends with all of its trials, of which the first has not run again
    assert submitter.wait(name)["status"] == "Completed"
    assert trials(submitter, name) == {"0": "Completed", "1": "Completed", "2": "Completed"}
    assert document(submitter, name)["properties"]["best_child_run_id"] == f"{name}_0"
    assert "Resumed: 2 trials exist, of which 1 start again" in submitter.log(name)
