"""Triggers of pipelines: branches, tags, paths, policies, schedules and completed pipelines."""

from __future__ import annotations

import pytest

from workflow_replay.azure.pipeline.model import Filter, Pipeline, PipelineResource, PushTrigger, Schedule
from workflow_replay.azure.pipeline.triggers import (
    BuildValidation,
    on_completion,
    on_pull_request,
    on_push,
    on_schedule,
    path_matches,
)

MAIN = "refs/heads/main"


def pipeline(push: PushTrigger | None = None, **rest: object) -> Pipeline:
    return Pipeline("p.yml", "", (), push=push, **rest)  # ty: ignore[invalid-argument-type]


def starts(push: PushTrigger | None, ref: str = MAIN, message: str = "", changed: tuple[str, ...] = ("a.py",)) -> bool:
    return on_push(pipeline(push), ref, message, lambda: changed).starts


@pytest.mark.parametrize(
    ("trigger", "ref", "expected"),
    [
        (None, MAIN, False),
        (PushTrigger(), "refs/heads/any/thing", True),
        (PushTrigger(), "refs/tags/v1", False),
        (PushTrigger(Filter(("main",))), MAIN, True),
        (PushTrigger(Filter(("refs/heads/main",))), MAIN, True),
        (PushTrigger(Filter(("main",))), "refs/heads/mainly", False),
        (PushTrigger(Filter(("release/*",))), "refs/heads/release/1/2", True),
        (PushTrigger(Filter(("release/?",))), "refs/heads/release/12", False),
        (PushTrigger(Filter((), ("old/*",))), "refs/heads/old/1", False),
        (PushTrigger(Filter((), ("old/*",))), MAIN, True),
        (PushTrigger(tags=Filter(("v*",))), "refs/tags/v1", True),
        (PushTrigger(tags=Filter(("v*",))), MAIN, False),
        (PushTrigger(Filter(("main",)), Filter(("v*",))), "refs/tags/v2", True),
        (PushTrigger(paths=Filter(("docs",))), MAIN, False),
        (PushTrigger(paths=Filter(("*.py",))), MAIN, True),
    ],
)
def test_pushes(trigger: PushTrigger | None, ref: str, expected: bool) -> None:  # noqa: FBT001
    assert starts(trigger, ref) is expected


@pytest.mark.parametrize("message", ["fix [skip ci]", "a\n\nb ***NO_CI***", "x\nskip-checks: true", "[skip azp]"])
def test_commit_messages_can_skip_ci(message: str) -> None:
    assert not starts(PushTrigger(), message=message)


@pytest.mark.parametrize(
    ("include", "exclude", "path", "expected"),
    [
        (("docs",), (), "docs/a/b.md", True), (("/docs/",), (), "docs/a.md", True), (("docs",), (), "docsy/a", False),
        (("docs/*",), (), "docs/a.md", True), (("docs/**",), (), "docs/a/b.md", True),
        (("**/*.md",), (), "b.md", True), (("docs/*",), (), "docs/a/b/c.md", True),
        (("docs/*.md",), (), "docs/a/b.md", False),
        (("src/app/**/my*",), (), "src/app/x/y/myapp", True), (("Docs",), (), "docs/a", False),
        ((), ("docs",), "docs/a.md", False), ((), ("docs",), "src/a", True), (("*",), ("docs",), "docs/a", False),
        (("docs",), ("docs/readme.md",), "docs/readme.md", False), (("docs",), ("docs/readme.md",), "docs/other", True),
        (("tools/this",), ("tools",), "tools/this/x", True), (("tools/this",), ("tools",), "tools/that", False),
    ],
)  # fmt: skip
def test_the_deepest_path_wins(include: tuple[str, ...], exclude: tuple[str, ...], path: str, expected: bool) -> None:  # noqa: FBT001
    assert path_matches(Filter(include, exclude), path) is expected


@pytest.mark.parametrize(
    ("policy", "base", "changed", "expected"),
    [
        (None, "main", "releases/dev.yml", False),
        (BuildValidation(), "main", "anything", True),
        (BuildValidation("main"), "other", "anything", False),
        (BuildValidation("release/*"), "release/1", "anything", True),
        (BuildValidation("main", "/releases/*"), "main", "releases/dev.yml", True),
        (BuildValidation("main", "/releases/*"), "main", "src/a.py", False),
        (BuildValidation("main", "/releases/*;!/releases/gates.yml"), "main", "releases/gates.yml", False),
        (BuildValidation("main", "!/docs/*"), "main", "src/a.py", True),
        (BuildValidation("main", "!/docs/*"), "main", "docs/a.md", False),
        (BuildValidation("main", "*.yml"), "main", "deep/er/a.yml", True),
    ],
)
def test_pull_requests_follow_a_policy(
    policy: BuildValidation | None,
    base: str,
    changed: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert on_pull_request(policy, base, lambda: (changed,)).starts is expected


def test_schedules_apply_to_their_branches() -> None:
    found = pipeline(schedules=(Schedule("0 3 * * *", Filter(("main",))),))

    assert on_schedule(found, None, "main").starts
    assert on_schedule(found, "0 3 * * *", "main").starts
    assert not on_schedule(found, "0 4 * * *", "main").starts
    assert not on_schedule(found, None, "other").starts


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (PipelineResource("t", "train", triggers=True), True),
        (PipelineResource("t", "train"), False),
        (PipelineResource("t", "other", triggers=True), False),
        (PipelineResource("t", "train", True, Filter(("main",))), True),
        (PipelineResource("t", "train", True, Filter(("release/*",))), False),
        (PipelineResource("t", "train", True, stages=("build",)), True),
        (PipelineResource("t", "train", True, stages=("build", "ship")), False),
        (PipelineResource("t", "train", True, tags=("good",)), True),
        (PipelineResource("t", "train", True, tags=("good", "better")), False),
    ],
)
def test_completed_pipelines_trigger_others(resource: PipelineResource, expected: bool) -> None:  # noqa: FBT001
    found = pipeline(resources=(resource,))

    decision, _ = on_completion(found, "train", "main", succeeded=True, stages=("build",), tags=("good",))

    assert decision.starts is expected


def test_a_failed_pipeline_triggers_only_resources_with_stages() -> None:
    plain = pipeline(resources=(PipelineResource("t", "train", triggers=True),))
    staged = pipeline(resources=(PipelineResource("t", "train", triggers=True, stages=("build",)),))

    assert not on_completion(plain, "train", "main", succeeded=False, stages=("build",), tags=())[0].starts
    assert on_completion(staged, "train", "main", succeeded=False, stages=("build",), tags=())[0].starts
