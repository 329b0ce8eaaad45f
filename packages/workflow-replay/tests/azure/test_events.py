"""Events in a real repository: which pipelines they trigger, at which commit, with which variables."""

from __future__ import annotations

from threading import Thread

import pytest

from workflow_replay.azure import BuildValidation, replay, replay_all
from workflow_replay.cancellation import Cancellation
from workflow_replay.errors import EventError, ParameterMissing
from workflow_replay.events import Completed, Dispatch, Event, Manual, PullRequest, Push, Schedule
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run
from workflow_replay.testing import Origin

FILE = "azure-pipelines.yml"
PRINTS = """
steps:
- checkout: none
- bash: echo "$BUILD_REASON $BUILD_SOURCEBRANCH ${SYSTEM_PULLREQUEST_TARGETBRANCH:-} ${RESOURCES_TRIGGERINGALIAS:-}"
"""


def printed(run: Run) -> str:
    return " ".join(run.jobs[0].steps[1].output[0].split()) if run.triggered else run.reason


def test_path_filters_compare_a_push_with_the_previous_commit(origin: Origin) -> None:
    first = origin.commit({FILE: "trigger:\n  branches: {include: [main]}\n  paths: {include: [src]}\n" + PRINTS})
    second = origin.commit({"docs/a.md": "x"})
    origin.commit({"src/a.py": "x"})

    def pushed(before: str, after: str | None = None) -> Run:
        return replay(origin.bare, FILE, Push("refs/heads/main", before, after))

    assert printed(pushed(first, second)) == "no changed file matches the trigger's paths"
    assert printed(pushed(second)) == "IndividualCI refs/heads/main"


def test_a_policy_builds_the_merge_commit_of_a_pull_request(origin: Origin) -> None:
    text = PRINTS.replace("checkout: none", "checkout: self") + "- bash: ls\n"
    origin.commit({FILE: text})
    origin.commit({"releases/dev.yml": "x"}, branch="promote")
    origin.switch("main")
    origin.commit({"other": "x"})
    event = PullRequest("promote", "main", number=7)

    def requested(policy: BuildValidation | None, event: PullRequest = event) -> Run:
        return replay(origin.bare, FILE, event, policy=policy)

    run = requested(BuildValidation("main", "/releases/*"))
    assert printed(run) == "PullRequest refs/pull/7/merge refs/heads/main"
    assert run.jobs[0].steps[2].output == ("azure-pipelines.yml", "other", "releases")
    assert printed(requested(None)) == "no build validation policy runs this pipeline"
    assert "path filter" in printed(requested(BuildValidation("main", "/src/*")))
    assert "are not validated when closed" in printed(
        requested(BuildValidation(), PullRequest("promote", "main", "closed"))
    )


def test_a_conflicting_pull_request_starts_nothing_and_a_fork_gets_no_secrets(origin: Origin) -> None:
    text = 'steps:\n- checkout: none\n- bash: echo "[$(secret)] $(System.PullRequest.IsFork)"\n'
    origin.commit({FILE: text, "a": "1"})
    origin.commit({"a": "2"}, branch="change")
    host = HostEnvironment(secrets={"secret": "hunter2"})

    forked = replay(origin.bare, FILE, PullRequest("change", "main", from_fork=True), host, policy=BuildValidation())
    origin.switch("main")
    origin.commit({"a": "3"})
    conflicting = replay(origin.bare, FILE, PullRequest("change", "main"), host, policy=BuildValidation())

    assert forked.jobs[0].steps[1].output[-1] == "[] True"
    assert conflicting.reason == "change conflicts with main"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Manual("main"), "Manual refs/heads/main"),
        (Schedule("0 3 * * *"), "Schedule refs/heads/main"),
        (Schedule("0 4 * * *"), "there is no schedule 0 4 * * *"),
        (Completed("train", "main"), "ResourceTrigger refs/heads/main trained"),
        (Completed("train", "main", "failure"), "train did not succeed"),
        (Completed("other", "main"), "no pipeline resource with a trigger names other"),
    ],
)
def test_other_triggers(origin: Origin, event: Event, expected: str) -> None:
    head = """
trigger: none
schedules:
- {cron: 0 3 * * *, branches: {include: [main]}}
resources:
  pipelines:
  - {pipeline: trained, source: train, trigger: true}
"""
    origin.commit({FILE: head + PRINTS})

    assert printed(replay(origin.bare, FILE, event)) == expected


def test_impossible_events_are_rejected(origin: Origin) -> None:
    origin.commit({FILE: PRINTS})

    with pytest.raises(EventError, match="has no refs/heads/nowhere"):
        replay(origin.bare, FILE, Push("refs/heads/nowhere"))
    with pytest.raises(EventError, match="has no event Dispatch"):
        replay(origin.bare, FILE, Dispatch("x"))


def test_replay_all_runs_every_triggered_file(origin: Origin) -> None:
    origin.commit({
        FILE: PRINTS,
        ".azuredevops/deploy.yml": "trigger: {paths: {include: [releases]}, branches: {include: [main]}}\n" + PRINTS,
        ".azuredevops/promote.yml": "trigger: none\n" + PRINTS,
        ".azuredevops/templates/steps.yml": "steps: []\n",
    })  # fmt: skip
    before = origin.tip("main")
    origin.commit({"releases/dev.yml": "x"})

    runs = replay_all(origin.bare, Push("refs/heads/main", before))

    assert [run.name for run in runs] == ["deploy", "azure-pipelines"]


def test_a_missing_parameter_is_an_error_only_if_the_event_triggers_the_file(origin: Origin) -> None:
    asks = "parameters:\n- {name: because, type: string}\n"
    origin.commit({FILE: asks + "trigger: none\n" + PRINTS, ".azuredevops/other.yml": PRINTS})
    push = Push("refs/heads/main")

    assert [run.name for run in replay_all(origin.bare, push)] == ["other"]
    assert replay(origin.bare, FILE, push).reason == "trigger: none"
    assert replay(origin.bare, FILE, Manual("main", {"because": "x"})).conclusion == "success"
    with pytest.raises(ParameterMissing, match=r"azure-pipelines.yml:1: .*'because'"):
        replay(origin.bare, FILE, Manual("main"))
    origin.commit({FILE: asks + PRINTS})
    with pytest.raises(ParameterMissing):
        replay_all(origin.bare, push)


def test_a_lock_is_waited_for_and_a_cancellation_ends_the_wait(origin: Origin) -> None:
    origin.commit({
        FILE: """
lockBehavior: sequential
jobs:
- deployment: go
  environment: prod
  strategy: {runOnce: {deploy: {steps: [{bash: echo went}]}}}
"""
    })  # fmt: skip
    cancellation = Cancellation()
    host = HostEnvironment(cancellation=cancellation)
    runs: list[Run] = []

    def run_waiting() -> None:
        runs.append(replay(origin.bare, FILE, Push("refs/heads/main"), host))

    with host.concurrency.hold("prod", Cancellation()):
        waiting = Thread(target=run_waiting)
        waiting.start()
        waiting.join(0.3)
        assert not runs
        cancellation.cancel()
        waiting.join(20)
    free = replay(origin.bare, FILE, Push("refs/heads/main"), HostEnvironment(concurrency=host.concurrency))

    assert [(run.conclusion, run.jobs[0].conclusion) for run in runs] == [("cancelled", "cancelled")]
    assert free.conclusion == "success"
