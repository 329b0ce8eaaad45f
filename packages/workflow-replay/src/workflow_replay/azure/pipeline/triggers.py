"""Decides whether an event triggers a pipeline, and if not, why. No I/O: the caller supplies the changed paths.

Patterns of branches and tags have `*` (anything, including `/`) and `?`. Patterns of paths have `*` and `?` within a
folder and `**` across folders; a folder matches everything in it, and the deepest matching pattern wins regardless of
the order. Pull requests follow a build validation policy, as in Azure Repos, where `pr:` has no effect; the caller
provides the policy.

Undocumented, and assumed here: `docs/*` matches the files in docs and, since folders match too, everything below; an
exclusion as deep as an inclusion wins; `[skip ci]` applies to the newest commit of a push only; a completed pipeline
triggers others if it succeeded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workflow_replay.azure.pipeline.model import Filter, Pipeline, PipelineResource, PushTrigger

HEADS, TAGS = "refs/heads/", "refs/tags/"
_SKIPS = re.compile(
    r"\*\*\*NO_CI\*\*\*|\[(skip ci|ci skip|skip azurepipelines|azurepipelines skip|skip azpipelines|azpipelines skip"
    r"|skip azp|azp skip)\]|^skip-checks:\s*true",
    re.MULTILINE,
)
_STARTS, _SKIPPED = True, False


@dataclass(frozen=True)
class Decision:
    """Whether a pipeline is triggered; `reason` says why not."""

    starts: bool
    reason: str = ""


@dataclass(frozen=True)
class BuildValidation:
    """A build validation policy: runs a pipeline for pull requests to a branch.

    `path_filter` has the policy's own syntax: patterns separated by `;`, with a leading `!` to exclude; the last
    matching pattern decides. An empty one matches all files.
    """

    branch: str = "main"
    path_filter: str = ""


def on_push(pipeline: Pipeline, ref: str, message: str, changed: Callable[[], Sequence[str]]) -> Decision:
    """Decide for a push to a ref, given the message of its newest commit and the changed paths."""
    trigger = pipeline.push
    if trigger is None:
        return Decision(_SKIPPED, "trigger: none")
    if _SKIPS.search(message):
        return Decision(_SKIPPED, "the commit message skips CI")
    if ref.startswith(TAGS):
        return _on_tag(trigger, ref.removeprefix(TAGS))
    branch = ref.removeprefix(HEADS)
    # A tag filter alone excludes pushes to branches.
    if trigger.branches is None and trigger.tags is not None and trigger.paths is None:
        return Decision(_SKIPPED, "the trigger has only a tag filter")
    if trigger.branches is not None and not name_matches(trigger.branches, branch):
        return Decision(_SKIPPED, f"the trigger does not include the branch {branch}")
    return _on_paths(trigger.paths, changed)


def on_pull_request(policy: BuildValidation | None, base: str, changed: Callable[[], Sequence[str]]) -> Decision:
    """Decide for a pull request to branch `base`."""
    if policy is None:
        return Decision(_SKIPPED, "no build validation policy runs this pipeline")
    if not _glob(policy.branch.removeprefix(HEADS), across=True).fullmatch(base.removeprefix(HEADS)):
        return Decision(_SKIPPED, f"the build validation policy is for {policy.branch}, not for {base}")
    if policy.path_filter and not any(_policy_matches(policy.path_filter, path) for path in changed()):
        return Decision(_SKIPPED, "no changed file matches the policy's path filter")
    return Decision(_STARTS)


def on_schedule(pipeline: Pipeline, cron: str | None, branch: str) -> Decision:
    """Decide for a schedule (None: any) on a branch, regardless of whether anything changed."""
    found = [one for one in pipeline.schedules if cron is None or one.cron == cron]
    if not found:
        return Decision(_SKIPPED, f"there is no schedule {cron}" if cron else "the pipeline has no schedules")
    if not any(name_matches(one.branches, branch) for one in found):
        return Decision(_SKIPPED, f"no schedule includes the branch {branch}")
    return Decision(_STARTS)


def on_completion(
    pipeline: Pipeline, source: str, branch: str, *, succeeded: bool, stages: Sequence[str], tags: Sequence[str]
) -> tuple[Decision, PipelineResource | None]:
    """Decide for a completed pipeline; also return the resource through which it triggers this one.

    A resource with `stages` triggers if all of them are among the completed `stages`, whatever the run's result.
    """
    resource = next((one for one in pipeline.resources if one.source == source and one.triggers), None)
    if resource is None:
        return Decision(_SKIPPED, f"no pipeline resource with a trigger names {source}"), None
    if resource.branches is not None and not name_matches(resource.branches, branch):
        return Decision(_SKIPPED, f"the resource {resource.alias} does not include the branch {branch}"), None
    missing_references = [stage for stage in resource.stages if stage not in stages]
    if missing_references:
        return Decision(_SKIPPED, f"the stages {', '.join(missing_references)} of {source} did not complete"), None
    if not set(resource.tags) <= set(tags):
        return Decision(_SKIPPED, f"the run of {source} does not have the tags {', '.join(resource.tags)}"), None
    if not succeeded and not resource.stages:
        return Decision(_SKIPPED, f"{source} did not succeed"), None
    return Decision(_STARTS), resource


def name_matches(names: Filter, name: str) -> bool:
    """Tell whether a branch or tag is included and not excluded."""
    included = not names.include or any(_name_glob(pattern).fullmatch(name) for pattern in names.include)
    return included and not any(_name_glob(pattern).fullmatch(name) for pattern in names.exclude)


def path_matches(paths: Filter, path: str) -> bool:
    """Tell whether a changed path is included: the deepest matching pattern decides."""
    included = _deepest(paths.include, path) if paths.include else 0
    return included >= 0 and included > _deepest(paths.exclude, path)


def _on_tag(trigger: PushTrigger, tag: str) -> Decision:
    if trigger.tags is None or not name_matches(trigger.tags, tag):
        return Decision(_SKIPPED, f"the trigger does not include the tag {tag}")
    return Decision(_STARTS)


def _on_paths(paths: Filter | None, changed: Callable[[], Sequence[str]]) -> Decision:
    if paths is None or any(path_matches(paths, path) for path in changed()):
        return Decision(_STARTS)
    return Decision(_SKIPPED, "no changed file matches the trigger's paths")


def _deepest(patterns: Sequence[str], path: str) -> int:
    """Return the depth of the deepest matching pattern, -1 for none."""
    depths = [-1]
    for pattern in patterns:
        trimmed = pattern.strip("/")
        if not trimmed or trimmed == "*":
            depths.append(0)
            continue
        if _glob(trimmed, across=False).fullmatch(path) or _glob(f"{trimmed}/**", across=False).fullmatch(path):
            depths.append(trimmed.count("/") + 1)
    return max(depths)


def _policy_matches(path_filter: str, path: str) -> bool:
    patterns = [pattern.strip() for pattern in path_filter.split(";") if pattern.strip()]
    matches = all(pattern.startswith("!") for pattern in patterns)
    for pattern in patterns:
        wanted = not pattern.startswith("!")
        if _glob(pattern.lstrip("!"), across=True).fullmatch(f"/{path}"):
            matches = wanted
    return matches


def _name_glob(pattern: str) -> re.Pattern[str]:
    return _glob(pattern.removeprefix(HEADS).removeprefix(TAGS), across=True)


def _glob(pattern: str, *, across: bool) -> re.Pattern[str]:
    """Return a pattern as a regular expression; with `across`, `*` and `?` also match a slash."""
    star = ".*" if across else "[^/]*"
    parts = {"**/": "(.*/)?", "**": ".*", "*": star, "?": "." if across else "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)
