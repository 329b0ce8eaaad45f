"""Which commands each workflow runs: the same ones, in the same order, on GitHub Actions and Azure Pipelines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from workflow_replay.approvals import Approval, ApprovalRequest, approvals
from workflow_replay.events import Dispatch, Event, Manual, PullRequest, Push, Schedule
from workflow_replay.result import Run

from .conftest import Harness, System

MAIN = "refs/heads/main"
SYSTEMS: tuple[System, ...] = ("github", "azure")
both_systems = pytest.mark.parametrize("system", SYSTEMS)


def pushed(harness: Harness, file: str, text: str = "2\n") -> Push:
    """A push to main that changes one file."""
    before = harness.origin.tip("main")
    harness.origin.commit({file: text})
    return Push(MAIN, before)


def proposed(harness: Harness, file: str = "releases/prod.yml", *, from_fork: bool = False) -> PullRequest:
    """A pull request that changes one file."""
    harness.origin.commit({file: "2\n"}, branch="change")
    harness.origin.switch("main")
    return PullRequest("change", "main", from_fork=from_fork)


def planned(*stages: str) -> dict[str, str]:
    flags = {stage: str(stage in stages).lower() for stage in ("dev", "staging", "prod")}
    return flags | {"releases": str(bool(stages)).lower()}


def succeeded(run: Run) -> None:
    assert run.triggered, run.reason
    assert run.conclusion == "success", [annotation.message for annotation in run.annotations()]


@both_systems
def test_training_runs_from_a_push_to_a_promotion_pull_request(harness: Harness, system: System) -> None:
    harness.answer(
        {
            "--submit": {"outputs": {"job": "job-1"}},
            "--job": {"outputs": {"version": "7"}},
            "provenance": {"folders": ["provenance"]},
        }
    )

    succeeded(harness.replay(system, "train", pushed(harness, "components/a.py")))

    assert harness.mlops() == [
        "train --submit --data-version ",
        "train --job job-1",
        "provenance --version 7 --out provenance",
        "deploy --stage dev --version 7 --unless-superseded",
        "promote --to staging --when-ready",
    ]


@both_systems
def test_changed_stages_are_deployed_in_order(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned("staging", "prod")}})
    event = pushed(harness, "releases/prod.yml")

    succeeded(harness.replay(system, "deploy", event))

    plan, *rest = harness.mlops()
    assert plan == f"plan --since {event.before if system == 'github' else 'HEAD^1'}"
    assert rest == [
        "deploy --stage staging --version  --unless-superseded",
        "deploy --stage prod --version  --unless-superseded",
    ]


@both_systems
def test_a_failed_rollout_is_reverted_in_git_and_stops_later_stages(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned("staging", "prod")}, "deploy --stage staging": {"code": 5}})

    run = harness.replay(system, "deploy", pushed(harness, "releases/prod.yml"))

    assert run.conclusion == "failure"
    assert harness.mlops()[1:] == ["deploy --stage staging --version  --unless-superseded", "revert --stage staging"]


@both_systems
def test_prod_requires_an_approval(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned("staging", "prod")}})
    guarded = replace(harness, approvals=approvals(reject=["prod"]))

    run = guarded.replay(system, "deploy", pushed(harness, "releases/prod.yml"))

    assert run.conclusion != "success"
    assert harness.mlops()[1:] == ["deploy --stage staging --version  --unless-superseded"]


@both_systems
def test_a_release_pull_request_is_gated(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned("prod")}})

    succeeded(harness.replay(system, "gate", proposed(harness)))

    assert [call for call in harness.mlops() if call not in {"check", "demo"}] == [
        "plan --since HEAD^1",
        "gate --since HEAD^1 --no-record",
    ]


@both_systems
@pytest.mark.parametrize("reason", ["blocked", "fork"])
def test_a_blocked_or_ungated_release_fails_the_check(harness: Harness, system: System, reason: str) -> None:
    blocked = {"mlops gate": {"code": 1}} if reason == "blocked" else {}
    harness.answer({"mlops plan": {"outputs": planned("prod")}, **blocked})

    run = harness.replay(system, "gate", proposed(harness, from_fork=reason == "fork"))

    assert run.conclusion == "failure"
    gated = "gate --since HEAD^1 --no-record" in harness.mlops()
    assert gated == (reason == "blocked")


@both_systems
def test_a_pull_request_without_a_release_is_not_gated(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned()}})

    run = harness.replay(system, "gate", proposed(harness, "components/a.py"))

    succeeded(run)
    assert not any("mlops gate" in call.text for call in harness.calls())


@both_systems
@pytest.mark.parametrize(
    ("workflow", "event", "expected"),
    [
        ("promote", Schedule(), "promote --to prod --when-ready"),
        ("promote", Manual(MAIN, {"stage": "staging"}), "promote --to staging --when-ready"),
        ("deploy", Manual(MAIN, {"since": "HEAD~3"}), "plan --since HEAD~3"),
        ("train", Schedule(), "train --submit --data-version "),
    ],
    ids=["soak", "manual", "deploy again", "weekly"],
)
def test_triggers_and_inputs_reach_the_first_command(
    harness: Harness, system: System, workflow: str, event: Event, expected: str
) -> None:
    # given a first command that fails, since later ones do not matter here
    harness.answer({"mlops": {"code": 4}})

    harness.replay(system, workflow, event)

    assert harness.mlops() == [expected]


@both_systems
@pytest.mark.parametrize(("inputs", "expected"), [({"fresh": "true"}, "true"), ({}, "false")], ids=["fresh", "as is"])
def test_manual_training_may_disable_reuse(
    harness: Harness, system: System, inputs: dict[str, str], expected: str
) -> None:
    harness.answer({"mlops": {"code": 4}})

    harness.replay(system, "train", Manual(MAIN, inputs))

    (call,) = (call for call in harness.calls() if "train" in call.words)
    assert call.variables.get("MLOPS_FRESH", "").lower() == expected


def test_a_data_event_starts_training_on_github(harness: Harness) -> None:
    harness.answer({"mlops": {"code": 4}})

    harness.replay("github", "train", Dispatch("data-changed"))

    assert harness.mlops() == ["train --submit --data-version "]


@both_systems
@pytest.mark.parametrize(
    ("workflow", "file"), [("train", "docs/a.md"), ("deploy", "src/a.py"), ("deploy", "releases/r/a.md")]
)
def test_unrelated_pushes_trigger_nothing(harness: Harness, system: System, workflow: str, file: str) -> None:
    assert not harness.replay(system, workflow, pushed(harness, file)).triggered


@both_systems
def test_changed_infrastructure_stacks_are_updated_in_order(harness: Harness, system: System) -> None:
    flags = {"shared": "true", "dev": "false", "staging": "true", "prod": "false"}
    harness.answer({"mlops preview": {"outputs": flags}})

    succeeded(harness.replay(system, "infra", pushed(harness, "infra/a.py")))

    calls = [call for call in harness.calls() if call.words[0] == "pulumi"]
    up = [call.variables["STACK"] for call in calls if "pulumi up" in call.text]
    assert up == ["shared", "staging"]
    # and each with the plan that was saved for it, after the one before it
    done = [(call.words[1], call.variables["STACK"]) for call in calls if call.words[1] in ("preview", "up")]
    assert done == [("preview", "shared"), ("up", "shared"), ("preview", "staging"), ("up", "staging")]
    plans = [call.variables["plan"] for call in calls if "--plan" in call.words]
    assert plans == ["plan of shared", "plan of staging"]


@both_systems
def test_a_stack_is_approved_after_its_plan_is_saved(harness: Harness, system: System) -> None:
    harness.answer({"mlops preview": {"outputs": dict.fromkeys(("shared", "dev", "staging", "prod"), "true")}})
    asked: list[list[str]] = []

    def refuse_prod(request: ApprovalRequest) -> Approval:
        if request.environment != "infra-prod":
            return Approval(approved=True)
        asked.append([call.variables["STACK"] for call in harness.calls() if "--save-plan" in call.words])
        return Approval(approved=False)

    replace(harness, approvals=refuse_prod).replay(system, "infra", pushed(harness, "infra/a.py"))

    assert asked == [["shared", "dev", "staging", "prod"]]
    up = [call.variables["STACK"] for call in harness.calls() if "pulumi up" in call.text]
    assert up == ["shared", "dev", "staging"]


@both_systems
@pytest.mark.parametrize("failing", ["-m quota --stack shared", "--save-plan"], ids=["quota", "plan"])
def test_a_stack_without_a_plan_is_not_brought_up_nor_the_next(harness: Harness, system: System, failing: str) -> None:
    harness.answer({
        "mlops preview": {"outputs": {"shared": "true", "dev": "true"}},
        failing: {"code": 1},
    })  # fmt: skip

    assert harness.replay(system, "infra", pushed(harness, "infra/a.py")).conclusion == "failure"

    assert not [call for call in harness.calls() if "pulumi up" in call.text]
    assert {call.variables["STACK"] for call in harness.calls() if "--save-plan" in call.words} == {"shared"}


@both_systems
def test_git_host_tokens_reach_only_commands_that_push(harness: Harness, system: System) -> None:
    harness.answer({"mlops plan": {"outputs": planned("prod")}, "deploy --stage prod": {"code": 5}})
    harness.replay(system, "deploy", pushed(harness, "releases/prod.yml"))

    token = "GH_TOKEN" if system == "github" else "AZURE_DEVOPS_EXT_PAT"
    holders = {call.text.split()[3] for call in harness.calls() if token in call.variables}
    assert holders == {"deploy", "revert"}


@both_systems
def test_ci_runs_all_checks(harness: Harness, system: System) -> None:
    succeeded(harness.replay(system, "ci", pushed(harness, "src/a.py")))

    called = {call.text for call in harness.calls()}
    assert {
        "uv run mlops demo",
        "uv run pytest",
        "uv run pytest packages",
        "uv run ruff check .",
        "uv run ty check",
        "uv run lint-imports --config packages/.importlinter",
        "uv run mlops check",
    } < called
    assert {"uv run python .ci/linters/lint.py --all", "uv run --directory infra pytest"} < called


DRIFTED = {"outputs": {"state": "drift", "retrain": "true", "because": "prod/17"}, "code": 10}


@both_systems
@pytest.mark.parametrize(
    ("answer", "commands"),
    [
        pytest.param(DRIFTED, ["monitor --stage prod", "retrain --because prod/17"], id="drift"),
        pytest.param(
            {"outputs": {"state": "quality", "retrain": "false", "because": "prod/18"}, "code": 11},
            ["monitor --stage prod"],
            id="bad data quality",
        ),
    ],
)
def test_the_monitor_fails_and_retrains_where_that_helps(
    harness: Harness, system: System, answer: dict[str, Any], commands: list[str]
) -> None:
    harness.answer({"mlops monitor": answer})

    run = harness.replay(system, "monitor", Schedule())

    assert run.conclusion == "failure"
    assert harness.mlops() == commands


@both_systems
def test_a_healthy_stage_is_not_retrained(harness: Harness, system: System) -> None:
    harness.answer({"mlops monitor": {"outputs": {"state": "healthy", "retrain": "false", "because": "prod/19"}}})

    succeeded(harness.replay(system, "monitor", Schedule()))

    assert harness.mlops() == ["monitor --stage prod"]


def test_a_drift_event_starts_retraining(harness: Harness) -> None:
    event = {"specversion": "1.0", "data": {"stage": "prod", "record": 17, "reason": "$(touch x)"}}

    succeeded(harness.replay("github", "retrain", Dispatch("drift-found", event)))

    (call,) = harness.mlops()
    assert call.startswith("retrain --because {")
    assert json.loads(call.removeprefix("retrain --because ")) == event


@both_systems
def test_manual_retraining_names_the_record(harness: Harness, system: System) -> None:
    succeeded(harness.replay(system, "retrain", Manual(MAIN, {"because": "prod/17"})))

    assert harness.mlops() == ["retrain --because prod/17"]
