"""Whether an event starts a pipeline, and why not. Pure; what changed is asked of the caller.

Branches and tags are matched with `*` (anything, also `/`) and `?`. Paths are matched with `*` and `?` within a
folder, `**` across folders, and a folder's name covers all below it; among those that match, the deepest wins, whatever
the order. Pull requests follow a build validation policy, as in Azure Repos, where `pr:` has no effect: whether there
is one, and its path filter, the caller says.

Where the documentation is silent: `docs/*` are the files in docs and, since folders match too, all below; an exclusion
as deep as an inclusion wins; `[skip ci]` counts in the newest commit of a push only; a completed pipeline counts if it
succeeded.
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
_STARTS, _STAYS = True, False


@dataclass(frozen=True)
class Decision:
    """Whether a pipeline starts, and the reason when it does not."""

    starts: bool
    reason: str = ""


@dataclass(frozen=True)
class BuildValidation:
    """A branch policy that runs a pipeline for pull requests: their target, and which changed files matter.

    `path_filter` is the policy's own notation: patterns apart by `;`, `!` before what does not count, and the last
    pattern that matches decides. It is empty when all files matter.
    """

    branch: str = "main"
    path_filter: str = ""


def on_push(pipeline: Pipeline, ref: str, message: str, changed: Callable[[], Sequence[str]]) -> Decision:
    """Decide for a push to a ref, given the newest commit's message and what the push changed."""
    trigger = pipeline.push
    if trigger is None:
        return Decision(_STAYS, "trigger: none")
    if _SKIPS.search(message):
        return Decision(_STAYS, "the commit's message says to skip")
    if ref.startswith(TAGS):
        return _on_tag(trigger, ref.removeprefix(TAGS))
    branch = ref.removeprefix(HEADS)
    # A filter of tags alone leaves pushes to branches out.
    if trigger.branches is None and trigger.tags is not None and trigger.paths is None:
        return Decision(_STAYS, "the trigger names tags only")
    if trigger.branches is not None and not name_matches(trigger.branches, branch):
        return Decision(_STAYS, f"the trigger does not include the branch {branch}")
    return _on_paths(trigger.paths, changed)


def on_pull_request(policy: BuildValidation | None, base: str, changed: Callable[[], Sequence[str]]) -> Decision:
    """Decide for a pull request to branch `base`."""
    if policy is None:
        return Decision(_STAYS, "no build validation policy runs this pipeline")
    if not _glob(policy.branch.removeprefix(HEADS), across=True).fullmatch(base.removeprefix(HEADS)):
        return Decision(_STAYS, f"the build validation policy is for {policy.branch}, not for {base}")
    if policy.path_filter and not any(_policy_matches(policy.path_filter, path) for path in changed()):
        return Decision(_STAYS, "no changed file matches the policy's path filter")
    return Decision(_STARTS)


def on_schedule(pipeline: Pipeline, cron: str | None, branch: str) -> Decision:
    """Decide for a schedule (None: any of them) on a branch; whether anything changed is not asked."""
    found = [one for one in pipeline.schedules if cron is None or one.cron == cron]
    if not found:
        return Decision(_STAYS, f"no schedule {cron}" if cron else "the pipeline has no schedules")
    if not any(name_matches(one.branches, branch) for one in found):
        return Decision(_STAYS, f"no schedule includes the branch {branch}")
    return Decision(_STARTS)


def on_completion(
    pipeline: Pipeline, source: str, branch: str, *, succeeded: bool, stages: Sequence[str], tags: Sequence[str]
) -> tuple[Decision, PipelineResource | None]:
    """Decide for another pipeline that completed; also return the resource by which it starts this one.

    A resource with `stages` starts when all of those are among the completed `stages`, whatever became of the rest.
    """
    resource = next((one for one in pipeline.resources if one.source == source and one.triggers), None)
    if resource is None:
        return Decision(_STAYS, f"no pipeline resource with a trigger names {source}"), None
    if resource.branches is not None and not name_matches(resource.branches, branch):
        return Decision(_STAYS, f"the resource {resource.alias} does not include the branch {branch}"), None
    missing = [stage for stage in resource.stages if stage not in stages]
    if missing:
        return Decision(_STAYS, f"the stages {', '.join(missing)} of {source} did not complete"), None
    if not set(resource.tags) <= set(tags):
        return Decision(_STAYS, f"the run of {source} does not have the tags {', '.join(resource.tags)}"), None
    if not succeeded and not resource.stages:
        return Decision(_STAYS, f"{source} did not succeed"), None
    return Decision(_STARTS), resource


def name_matches(names: Filter, name: str) -> bool:
    """Tell whether a branch or tag is included and not excluded; nothing included means all."""
    included = not names.include or any(_name_glob(pattern).fullmatch(name) for pattern in names.include)
    return included and not any(_name_glob(pattern).fullmatch(name) for pattern in names.exclude)


def path_matches(paths: Filter, path: str) -> bool:
    """Tell whether a changed file counts: the deepest pattern that matches it decides."""
    included = _deepest(paths.include, path) if paths.include else 0
    return included >= 0 and included > _deepest(paths.exclude, path)


def _on_tag(trigger: PushTrigger, tag: str) -> Decision:
    if trigger.tags is None or not name_matches(trigger.tags, tag):
        return Decision(_STAYS, f"the trigger does not include the tag {tag}")
    return Decision(_STARTS)


def _on_paths(paths: Filter | None, changed: Callable[[], Sequence[str]]) -> Decision:
    if paths is None or any(path_matches(paths, path) for path in changed()):
        return Decision(_STARTS)
    return Decision(_STAYS, "no changed file matches the trigger's paths")


def _deepest(patterns: Sequence[str], path: str) -> int:
    """Return how many levels deep the deepest pattern is that matches, -1 for none."""
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
    """Return a pattern as a regular expression; `across` lets a single star pass a slash."""
    star = ".*" if across else "[^/]*"
    parts = {"**/": "(.*/)?", "**": ".*", "*": star, "?": "." if across else "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)
