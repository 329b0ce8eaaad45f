"""Which event in a real repository starts a workflow, and what the event says of itself."""

from collections.abc import Mapping

import pytest

from workflow_replay.errors import EventError
from workflow_replay.events import Completed, Dispatch, Event, Manual, MergeGroup, PullRequest, Push, Schedule
from workflow_replay.git import NO_COMMIT, Repository
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.loading import read_workflow
from workflow_replay.github.situation import situate
from workflow_replay.github.triggers import Decision, call_inputs, decide, dispatch_inputs
from workflow_replay.testing import Origin

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
    situation = situate(origin.bare, event, "octo", "repo")
    workflow = read_workflow(f"on: {on}\n{JOBS}", "a.yml")
    source = Repository(origin.bare)
    return decide(workflow, situation, lambda: source.changed(situation.before or NO_COMMIT, situation.after or ""))


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


def test_a_commit_that_asks_to_be_skipped_starts_nothing(history: tuple[Origin, Mapping[str, str]]) -> None:
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


def test_a_new_branch_is_compared_with_where_it_left_the_default_branch(
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
        # What main got since the branch left it does not count.
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


def test_a_pull_request_is_judged_as_merged(history: tuple[Origin, Mapping[str, str]]) -> None:
    origin, commits = history
    situation = situate(origin.bare, PullRequest("topic", "main", number=7), "octo", "repo")
    again = situate(origin.bare, PullRequest("topic", "main", number=7), "octo", "repo")

    assert situation.ref == "refs/pull/7/merge"
    assert situation.commit == again.commit == origin.tip("refs/pull/7/merge")
    assert Repository(origin.bare).read(situation.commit, "docs/d.md") == "1"
    assert Repository(origin.bare).read(situation.commit, "docs/c.md") == "1"
    assert situation.payload["pull_request"]["head"]["sha"] == commits["topic"]
    assert situation.payload["pull_request"]["head"]["repo"]["full_name"] == "octo/repo"


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


def test_a_ref_that_is_not_there_is_an_error(history: tuple[Origin, Mapping[str, str]]) -> None:
    with pytest.raises(EventError, match="has no refs/heads/gone"):
        situate(history[0].bare, Push("refs/heads/gone"), "octo", "repo")


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


def test_inputs_of_a_run_by_hand_have_their_types() -> None:
    trigger = read_workflow(INPUTS + JOBS, "a.yml").triggers["workflow_dispatch"]

    given = dispatch_inputs(trigger, {"name": "x", "dry": "false"}, Scope({}))

    assert given == {"name": "x", "level": "low", "dry": False, "count": 3.0, "free": ""}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "'name' is required"),
        ({"name": "x", "nam": "y"}, "no input 'nam'"),
        ({"name": "x", "dry": "yes"}, "true or false"),
        ({"name": "x", "count": "many"}, "is a number"),
        ({"name": "x", "level": "middle"}, "one of low, high"),
    ],
)
def test_wrong_inputs_by_hand_are_refused(given: Mapping[str, str], reason: str) -> None:
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
        ({}, "needs the input 'stage'"),
        ({"stage": "dev", "dry": "true"}, "is a boolean"),
        ({"stage": "dev", "count": "3"}, "is a number"),
        ({"stage": "dev", "other": 1}, "no input 'other'"),
    ):
        with pytest.raises(EventError, match=reason):
            call_inputs(trigger, given, scope)
