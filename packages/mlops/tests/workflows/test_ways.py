"""Which commands each way runs, on GitHub Actions and on Azure Pipelines alike: the same, in the same order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow_replay.approvals import reject
from workflow_replay.events import Dispatch, Event, Manual, PullRequest, Push, Schedule
from workflow_replay.record import Run

from .conftest import System, Ways

MAIN = "refs/heads/main"
SYSTEMS: tuple[System, ...] = ("github", "azure")
both_systems = pytest.mark.parametrize("system", SYSTEMS)


def pushed(ways: Ways, file: str, text: str = "2\n") -> Push:
    """A push to main that changes one file."""
    before = ways.origin.tip("main")
    ways.origin.commit({file: text})
    return Push(MAIN, before)


def proposed(ways: Ways, file: str = "releases/prod.yml", *, from_fork: bool = False) -> PullRequest:
    """A pull request that changes one file."""
    ways.origin.commit({file: "2\n"}, branch="change")
    ways.origin.switch("main")
    return PullRequest("change", "main", from_fork=from_fork)


def planned(*stages: str) -> dict[str, str]:
    flags = {stage: str(stage in stages).lower() for stage in ("dev", "staging", "prod")}
    return flags | {"releases": str(bool(stages)).lower()}


def succeeded(run: Run) -> None:
    assert run.triggered, run.reason
    assert run.conclusion == "success", [annotation.message for annotation in run.annotations()]


@both_systems
def test_training_goes_from_a_push_to_a_proposal(ways: Ways, system: System) -> None:
    ways.tell(
        {
            "--submit": {"outputs": {"job": "job-1"}},
            "--job": {"outputs": {"version": "7"}},
            "provenance": {"folders": ["provenance"]},
        }
    )

    succeeded(ways.play(system, "train", pushed(ways, "components/a.py")))

    assert ways.mlops() == [
        "train --stage dev --submit --data-version ",
        "train --stage dev --job job-1",
        "provenance --stage dev --version 7 --out provenance",
        "deploy --stage dev --version 7 --unless-superseded",
        "promote --to staging --when-ready",
    ]


@both_systems
def test_deploying_rolls_out_what_changed_in_order(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned("staging", "prod")}})
    event = pushed(ways, "releases/prod.yml")

    succeeded(ways.play(system, "deploy", event))

    plan, *rest = ways.mlops()
    assert plan == f"plan --since {event.before if system == 'github' else 'HEAD^1'}"
    assert rest == [
        "deploy --stage staging --version  --unless-superseded",
        "deploy --stage prod --version  --unless-superseded",
    ]


@both_systems
def test_a_rollout_that_fails_is_told_to_git_and_stops_the_rest(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned("staging", "prod")}, "deploy --stage staging": {"code": 5}})

    run = ways.play(system, "deploy", pushed(ways, "releases/prod.yml"))

    assert run.conclusion == "failure"
    assert ways.mlops()[1:] == ["deploy --stage staging --version  --unless-superseded", "revert --stage staging"]


@both_systems
def test_nobody_enters_prod_without_an_approval(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned("staging", "prod")}})
    guarded = Ways(ways.origin, ways.folder, approvals=reject(["prod"]))

    run = guarded.play(system, "deploy", pushed(ways, "releases/prod.yml"))

    assert run.conclusion != "success"
    assert ways.mlops()[1:] == ["deploy --stage staging --version  --unless-superseded"]


@both_systems
def test_a_pull_request_that_releases_is_judged(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned("prod")}})

    succeeded(ways.play(system, "gate", proposed(ways)))

    assert [call for call in ways.mlops() if call != "check"] == [
        "plan --since HEAD^1",
        "gate --since HEAD^1 --no-record",
    ]


@both_systems
@pytest.mark.parametrize("reason", ["blocked", "fork"])
def test_a_release_that_is_not_judged_or_is_blocked_does_not_pass(ways: Ways, system: System, reason: str) -> None:
    blocked = {"mlops gate": {"code": 1}} if reason == "blocked" else {}
    ways.tell({"mlops plan": {"outputs": planned("prod")}, **blocked})

    run = ways.play(system, "gate", proposed(ways, from_fork=reason == "fork"))

    assert run.conclusion == "failure"
    judged = "gate --since HEAD^1 --no-record" in ways.mlops()
    assert judged == (reason == "blocked")


@both_systems
def test_a_pull_request_without_a_release_logs_in_nowhere(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned()}})

    run = ways.play(system, "gate", proposed(ways, "components/a.py"))

    succeeded(run)
    assert not any("mlops gate" in call.text for call in ways.calls())


@both_systems
@pytest.mark.parametrize(
    ("way", "event", "expected"),
    [
        ("promote", Schedule(), "promote --to prod --when-ready"),
        ("promote", Manual(MAIN, {"stage": "staging"}), "promote --to staging --when-ready"),
        ("deploy", Manual(MAIN, {"since": "HEAD~3"}), "plan --since HEAD~3"),
        ("train", Schedule(), "train --stage dev --submit --data-version "),
    ],
    ids=["soak", "by hand", "deploy again", "weekly"],
)
def test_what_starts_a_way_reaches_its_command(
    ways: Ways, system: System, way: str, event: Event, expected: str
) -> None:
    # given a first command that fails, since what follows is not asked here
    ways.tell({"mlops": {"code": 4}})

    ways.play(system, way, event)

    assert ways.mlops() == [expected]


@both_systems
@pytest.mark.parametrize(("inputs", "expected"), [({"fresh": "true"}, "true"), ({}, "false")], ids=["fresh", "as is"])
def test_training_by_hand_may_leave_nothing_to_reuse(
    ways: Ways, system: System, inputs: dict[str, str], expected: str
) -> None:
    ways.tell({"mlops": {"code": 4}})

    ways.play(system, "train", Manual(MAIN, inputs))

    (call,) = (call for call in ways.calls() if "train" in call.words)
    assert call.seen.get("MLOPS_FRESH", "").lower() == expected


def test_an_event_of_azure_trains_on_github(ways: Ways) -> None:
    ways.tell({"mlops": {"code": 4}})

    ways.play("github", "train", Dispatch("data-changed"))

    assert ways.mlops() == ["train --stage dev --submit --data-version "]


@both_systems
@pytest.mark.parametrize(
    ("way", "file"), [("train", "docs/a.md"), ("deploy", "src/a.py"), ("deploy", "releases/r/a.md")]
)
def test_a_push_of_something_else_starts_nothing(ways: Ways, system: System, way: str, file: str) -> None:
    assert not ways.play(system, way, pushed(ways, file)).triggered


@both_systems
def test_infrastructure_is_brought_up_stack_by_stack(ways: Ways, system: System) -> None:
    flags = {"shared": "true", "dev": "false", "staging": "true", "prod": "false"}
    ways.tell({"mlops preview": {"outputs": flags}})

    succeeded(ways.play(system, "infra", pushed(ways, "infra/a.py")))

    up = [call.seen["STACK"] for call in ways.calls() if "pulumi up" in call.text]
    assert up == ["shared", "staging"]


@both_systems
def test_tokens_of_the_forge_reach_only_the_commands_that_push(ways: Ways, system: System) -> None:
    ways.tell({"mlops plan": {"outputs": planned("prod")}, "deploy --stage prod": {"code": 5}})
    ways.play(system, "deploy", pushed(ways, "releases/prod.yml"))

    token = "GH_TOKEN" if system == "github" else "AZURE_DEVOPS_EXT_PAT"
    holders = {call.text.split()[3] for call in ways.calls() if token in call.seen}
    assert holders == {"deploy", "revert"}


@both_systems
def test_checks_run_what_the_project_is_checked_with(ways: Ways, system: System) -> None:
    succeeded(ways.play(system, "ci", pushed(ways, "src/a.py")))

    called = {call.text for call in ways.calls()}
    assert {
        "uv run mlops demo",
        "uv run pytest tests",
        "uv run pytest packages",
        "uv run ruff check .",
        "uv run ty check",
        "uv run lint-imports",
        "uv run mlops check",
    } < called
    assert {"uv run python .ci/linters/lint.py --all", "uv run --directory infra pytest"} < called


DRIFTED = {"outputs": {"state": "drift", "retrain": "true", "because": "prod/17"}, "code": 10}


@both_systems
@pytest.mark.parametrize(
    ("told", "commands"),
    [
        pytest.param(
            DRIFTED, ["monitor --stage prod", "retrain --because prod/17"], id="drift that newer data would mend"
        ),
        pytest.param(
            {"outputs": {"state": "quality", "retrain": "false", "because": "prod/18"}, "code": 11},
            ["monitor --stage prod"],
            id="data that cannot be believed",
        ),
    ],
)
def test_the_monitor_is_red_and_retrains_where_that_helps(
    ways: Ways, system: System, told: dict[str, Any], commands: list[str]
) -> None:
    ways.tell({"mlops monitor": told})

    run = ways.play(system, "monitor", Schedule())

    assert run.conclusion == "failure"
    assert ways.mlops() == commands


@both_systems
def test_a_healthy_stage_is_left_alone(ways: Ways, system: System) -> None:
    ways.tell({"mlops monitor": {"outputs": {"state": "healthy", "retrain": "false", "because": "prod/19"}}})

    succeeded(ways.play(system, "monitor", Schedule()))

    assert ways.mlops() == ["monitor --stage prod"]


def test_an_event_starts_a_training(ways: Ways) -> None:
    event = {"specversion": "1.0", "data": {"stage": "prod", "record": 17, "reason": "$(touch x)"}}

    succeeded(ways.play("github", "retrain", Dispatch("drift-found", event)))

    (call,) = ways.mlops()
    assert call.startswith("retrain --because {")
    assert json.loads(call.removeprefix("retrain --because ")) == event


@both_systems
def test_retraining_by_hand_names_the_record(ways: Ways, system: System) -> None:
    succeeded(ways.play(system, "retrain", Manual(MAIN, {"because": "prod/17"})))

    assert ways.mlops() == ["retrain --because prod/17"]
