"""Triggers of workflows: events in a real repository, filters and inputs."""

from collections.abc import Mapping

import pytest

from workflow_replay.common.git import NO_COMMIT, Repository
from workflow_replay.errors import EventError
from workflow_replay.events import Completed, Dispatch, Event, Manual, MergeGroup, PullRequest, Push, Schedule
from workflow_replay.github.definition.loading import read_workflow
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.run_context import build_run_context
from workflow_replay.github.triggers import Decision, call_inputs, decide, dispatch_inputs
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.testing import Origin

HOST = HostEnvironment(owner="octo", name="repo")
JOBS = "jobs: {one: {runs-on: x, steps: [{run: x}]}}\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Origin, Mapping[str, str]]:
    """main: first, second (src/a.py), third (docs/b.md, skipped); a branch `topic` off the second (docs/c.md)."""
    origin = Origin(tmp_path_factory.mktemp("history"))
    commits = {"first": origin.commit({"README.md": "1", "src/a.py": "1"})}
    commits["second"] = origin.commit({"src/a.py": "2"})
    commits["topic"] = origin.commit({"docs/c.md": "1"}, branch="topic")
    commits["clash"] = origin.commit({"docs/b.md": "other"}, branch="clash")
    origin.tag("v1.2")
    origin.switch("main")
    commits["third"] = origin.commit({"docs/b.md": "1"}, message="Write\n\n[skip ci]")
    commits["fourth"] = origin.commit({"docs/d.md": "1"})
    return origin, commits


def decision(history: tuple[Origin, Mapping[str, str]], on: str, event: Event) -> Decision:
    origin, _ = history
    run_context = build_run_context(origin.bare, event, HOST)
    workflow = read_workflow(f"on: {on}\n{JOBS}", "a.yml")
    source = Repository(origin.bare)
    return decide(
        workflow, run_context, lambda: source.changed(run_context.before or NO_COMMIT, run_context.after or "")
    )


@pytest.mark.parametrize(
    ("on", "before", "starts"),
    [
        ("push", "second", True),
        ("pull_request", "second", False),
        ("{push: {branches: [main]}}", "second", True),
        ("{push: {branches: [release]}}", "second", False),
        ("{push: {branches-ignore: [ma*]}}", "second", False),
        ("{push: {tags: [v*]}}", "second", False),
        ("{push: {tags: [v*], branches: [main]}}", "second", True),
        ("{push: {paths: ['docs/**']}}", "second", True),
        ("{push: {paths: ['src/**']}}", "second", False),
        ("{push: {paths: ['src/**']}}", "first", True),
        ("{push: {paths-ignore: ['docs/**']}}", "third", False),
        ("{push: {branches: [main], paths: ['src/**']}}", "third", False),
    ],
)
def test_a_push_to_main(history: tuple[Origin, Mapping[str, str]], on: str, before: str, starts: bool) -> None:  # noqa: FBT001
    assert decision(history, on, Push("refs/heads/main", history[1][before])).starts is starts


def test_a_commit_message_can_skip_ci(history: tuple[Origin, Mapping[str, str]]) -> None:
    commits = history[1]
    skipped = decision(history, "push", Push("refs/heads/main", commits["second"], commits["third"]))

    assert not skipped.starts
    assert "[skip ci]" in skipped.reason


@pytest.mark.parametrize(
    ("on", "starts"),
    [
        ("push", True),
        ("{push: {branches: [main]}}", False),
        ("{push: {tags: ['v1.*']}}", True),
        ("{push: {tags-ignore: ['v1.*']}}", False),
        ("{push: {paths: ['nothing/**']}}", True),
    ],
)
def test_a_tag_has_no_paths(history: tuple[Origin, Mapping[str, str]], on: str, starts: bool) -> None:  # noqa: FBT001
    assert decision(history, on, Push("refs/tags/v1.2")).starts is starts


def test_a_new_branch_is_compared_with_its_merge_base(
    history: tuple[Origin, Mapping[str, str]],
) -> None:
    assert not decision(history, "{push: {paths: ['src/**']}}", Push("refs/heads/topic")).starts
    assert decision(history, "{push: {paths: ['docs/**']}}", Push("refs/heads/topic")).starts


@pytest.mark.parametrize(
    ("on", "request_", "starts"),
    [
        ("pull_request", PullRequest("topic", "main"), True),
        ("pull_request", PullRequest("topic", "main", action="closed"), False),
        ("{pull_request: {types: [closed]}}", PullRequest("topic", "main", action="closed", merged=True), True),
        ("{pull_request: {branches: [main]}}", PullRequest("topic", "main"), True),
        ("{pull_request: {branches: ['releases/**']}}", PullRequest("topic", "main"), False),
        # Changes on main since the merge base do not count.
        ("{pull_request: {paths: ['docs/c.md']}}", PullRequest("topic", "main"), True),
        ("{pull_request: {paths: ['docs/d.md']}}", PullRequest("topic", "main"), False),
        ("pull_request", PullRequest("clash", "main"), False),
    ],
)
def test_a_pull_request(
    history: tuple[Origin, Mapping[str, str]],
    on: str,
    request_: PullRequest,
    starts: bool,  # noqa: FBT001 - a table
) -> None:
    assert decision(history, on, request_).starts is starts


def test_a_pull_request_has_the_merge_commit(history: tuple[Origin, Mapping[str, str]]) -> None:
    origin, commits = history
    run_context = build_run_context(origin.bare, PullRequest("topic", "main", number=7), HOST)
    again = build_run_context(origin.bare, PullRequest("topic", "main", number=7), HOST)

    assert run_context.ref == "refs/pull/7/merge"
    assert run_context.commit == again.commit == origin.tip("refs/pull/7/merge")
    assert Repository(origin.bare).read(run_context.commit, "docs/d.md") == "1"
    assert Repository(origin.bare).read(run_context.commit, "docs/c.md") == "1"
    assert run_context.payload["pull_request"]["head"]["sha"] == commits["topic"]
    assert run_context.payload["pull_request"]["head"]["repo"]["full_name"] == "octo/repo"


@pytest.mark.parametrize(
    ("on", "event", "starts"),
    [
        ("{schedule: [{cron: '0 5 * * *'}]}", Schedule("0 5 * * *"), True),
        ("{schedule: [{cron: '0 5 * * *'}]}", Schedule("0 6 * * *"), False),
        ("{schedule: [{cron: '0 5 * * *'}]}", Schedule(), True),
        ("{repository_dispatch: {types: [changed]}}", Dispatch("changed"), True),
        ("{repository_dispatch: {types: [changed]}}", Dispatch("other"), False),
        ("repository_dispatch", Dispatch("other"), True),
        ("{workflow_run: {workflows: [CI], types: [completed]}}", Completed("CI", "main"), True),
        ("{workflow_run: {workflows: [CI], types: [completed]}}", Completed("Other", "main"), False),
        ("{workflow_run: {workflows: [CI], branches: [x]}}", Completed("CI", "main"), False),
        ("merge_group", MergeGroup("refs/heads/topic", "main"), True),
        ("{merge_group: {branches: [x]}}", MergeGroup("refs/heads/topic", "main"), False),
        ("workflow_dispatch", Manual("refs/heads/topic"), True),
    ],
    ids=repr,
)
def test_other_events(history: tuple[Origin, Mapping[str, str]], on: str, event: Event, starts: bool) -> None:  # noqa: FBT001
    assert decision(history, on, event).starts is starts


def test_an_unknown_ref_is_an_error(history: tuple[Origin, Mapping[str, str]]) -> None:
    with pytest.raises(EventError, match="has no refs/heads/gone"):
        build_run_context(history[0].bare, Push("refs/heads/gone"), HOST)


INPUTS = """
on:
  workflow_dispatch:
    inputs:
      name: {required: true}
      level: {type: choice, options: [low, high]}
      dry: {type: boolean, default: true}
      count: {type: number, default: 3}
      free:
  workflow_call:
    inputs:
      stage: {type: string, required: true}
      dry: {type: boolean}
      count: {type: number, default: 3}
      ref: {type: string, default: "${{ github.ref }}"}
"""


def test_inputs_of_a_manual_run_are_typed() -> None:
    trigger = read_workflow(INPUTS + JOBS, "a.yml").triggers["workflow_dispatch"]

    given = dispatch_inputs(trigger, {"name": "x", "dry": "false"}, Scope({}))

    assert given == {"name": "x", "level": "low", "dry": False, "count": 3.0, "free": ""}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "'name' is required"),
        ({"name": "x", "nam": "y"}, "unknown input 'nam'"),
        ({"name": "x", "dry": "yes"}, "must be true or false"),
        ({"name": "x", "count": "many"}, "must be a number"),
        ({"name": "x", "level": "middle"}, "one of low, high"),
    ],
)
def test_invalid_inputs_of_a_manual_run_are_rejected(given: Mapping[str, str], reason: str) -> None:
    trigger = read_workflow(INPUTS + JOBS, "a.yml").triggers["workflow_dispatch"]
    with pytest.raises(EventError, match=reason):
        dispatch_inputs(trigger, given, Scope({}))


def test_inputs_of_a_call_keep_their_types() -> None:
    trigger = read_workflow(INPUTS + JOBS, "a.yml").triggers["workflow_call"]
    scope = Scope({"github": {"ref": "refs/heads/main"}})

    assert call_inputs(trigger, {"stage": "dev"}, scope) == {
        "stage": "dev",
        "dry": False,
        "count": 3.0,
        "ref": "refs/heads/main",
    }
    for given, reason in (
        ({}, "requires the input 'stage'"),
        ({"stage": "dev", "dry": "true"}, "must be a boolean"),
        ({"stage": "dev", "count": "3"}, "must be a number"),
        ({"stage": "dev", "other": 1}, "no input 'other'"),
    ):
        with pytest.raises(EventError, match=reason):
            call_inputs(trigger, given, scope)
