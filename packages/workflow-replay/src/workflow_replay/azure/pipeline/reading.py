"""Reads an expanded pipeline file: root, stages, triggers and resources. No I/O.

As in the service, a file of `steps` is one job `Job`, and a file of `jobs` is one stage `__default`.
"""

from __future__ import annotations

from dataclasses import replace

from workflow_replay.azure.expressions.syntax import INNER_VARIABLE, JOB_CONDITION, ROOT_VARIABLE
from workflow_replay.azure.pipeline.fields import Fields
from workflow_replay.azure.pipeline.graph import job_dependencies, stage_dependencies
from workflow_replay.azure.pipeline.jobs import NAME, job, jobs
from workflow_replay.azure.pipeline.model import (
    DEFAULT_JOB,
    DEFAULT_STAGE,
    Filter,
    Job,
    Pipeline,
    PipelineResource,
    PushTrigger,
    Schedule,
    Stage,
)
from workflow_replay.azure.pipeline.steps import check_condition
from workflow_replay.azure.pipeline.variables import variables
from workflow_replay.azure.templates.tree import Entries, Items, Node, SourceLocation, Text
from workflow_replay.errors import Unreplayable

_OF_SINGLE_JOB = ("container", "continueOnError", "services", "steps", "strategy", "workspace")
_ROOT = frozenset(
    {"appendCommitMessageToRunName", "jobs", "lockBehavior", "name", "pool", "pr", "resources", "schedules", "stages"}
    | {"trigger", "variables"}
    | set(_OF_SINGLE_JOB)
)
_FORMER = ("phases", "queue")
_STAGE = frozenset(
    {"condition", "dependsOn", "displayName", "isSkippable", "jobs", "lockBehavior", "pool", "stage"}
    | {"templateContext", "trigger", "variables"}
)
_PUSH = frozenset({"batch", "branches", "paths", "tags"})
_PULL_REQUEST = frozenset({"autoCancel", "branches", "drafts", "paths"})
_SCHEDULE = frozenset({"always", "batch", "branches", "cron", "displayName"})
_RESOURCES = frozenset({"builds", "containers", "packages", "pipelines", "repositories", "webhooks"})
_PIPELINE = frozenset({"branch", "pipeline", "project", "source", "tags", "trigger", "version"})
_LOCKS = ("sequential", "runLatest")


def pipeline(tree: Entries, file: str) -> Pipeline:
    """Return the pipeline of an expanded file. Raises WorkflowError, and Unreplayable for a file of the older form."""
    for key in _FORMER:
        if tree.find(key) is not None:
            limit = tree.location_of(key).limit(f"a replay does not know `{key}`, of the older form of pipelines")
            raise Unreplayable(replace(limit, advice="Write `jobs` and `pool`, which took its place."))
    root = Fields(tree, _ROOT, "a pipeline")
    stages = _stages(root, tree)
    if not stages:
        raise root.location.error("A pipeline needs stages, jobs, steps, or a template to extend")
    stage_dependencies(stages)
    for stage in stages:
        job_dependencies(stage)
    return replace(
        triggers(tree, file),
        name=root.text("name"),
        stages=stages,
        variables=variables(root.node("variables"), ROOT_VARIABLE),
        lock_behavior=_lock(root),
    )


def triggers(tree: Entries, file: str) -> Pipeline:
    """Return a pipeline with its triggers only. Raises WorkflowError."""
    root = Fields(tree, _ROOT, "a pipeline")
    return Pipeline(
        file=file,
        push=_trigger(root, "trigger", _PUSH),
        pull_request=_trigger(root, "pr", _PULL_REQUEST),
        schedules=tuple(_schedule(node) for node in root.items("schedules")),
        resources=_resources(root.node("resources")),
    )


def _stages(root: Fields, tree: Entries) -> tuple[Stage, ...]:
    given = [key for key in ("stages", "jobs", "steps") if root.has(key)]
    if len(given) > 1:
        raise root.location_of(given[1]).error(f"Unexpected value '{given[1]}': the file has {given[0]}")
    if root.has("stages"):
        return _checked_names(tuple(_stage(node) for node in root.items("stages")))
    if root.has("jobs"):
        return (Stage(DEFAULT_STAGE, root.location_of("jobs"), _named(jobs(root.items("jobs")))),)
    if root.has("steps"):
        return (Stage(DEFAULT_STAGE, root.location_of("steps"), (_single_job(tree),)),)
    return ()


def _single_job(tree: Entries) -> Job:
    pairs = tuple(pair for pair in tree.pairs if pair[0].text in _OF_SINGLE_JOB)
    name = (Text("job", tree.location), Text(DEFAULT_JOB, tree.location, quoted=True))
    return job(Entries((name, *pairs), tree.location_of("steps")))


def _stage(node: Node) -> Stage:
    fields = Fields(node, _STAGE, "a stage")
    name = fields.text("stage")
    if not NAME.match(name):
        raise fields.location_of("stage").error(f"The stage name '{name}' is invalid: use letters, digits and _")
    found = _named(jobs(fields.items("jobs")))
    if not found:
        raise fields.location.error(f"Stage {name} must contain at least one job with no dependencies.")
    return Stage(
        name=name,
        location=fields.location,
        jobs=found,
        display_name=fields.text("displayName"),
        depends_on=fields.texts("dependsOn"),
        condition=check_condition(fields.optional_text("condition"), fields.location_of("condition"), JOB_CONDITION),
        variables=variables(fields.node("variables"), INNER_VARIABLE),
        lock_behavior=_lock(fields),
        is_manual=_is_manual(fields),
    )


def _is_manual(fields: Fields) -> bool:
    text = fields.text("trigger", "automatic")
    if text not in ("manual", "automatic"):
        raise fields.location_of("trigger").error(
            f"Unexpected value '{text}': a stage's trigger must be manual or automatic"
        )
    return text == "manual"


def _lock(fields: Fields) -> str | None:
    lock = fields.optional_text("lockBehavior")
    if lock is not None and lock not in _LOCKS:
        raise fields.location_of("lockBehavior").error(
            f"Unexpected value '{lock}': a lock must be {' or '.join(_LOCKS)}"
        )
    return lock


def _named(found: tuple[Job, ...]) -> tuple[Job, ...]:
    """Name unnamed jobs by their position, since results need a name."""
    return tuple(one if one.name else replace(one, name=f"Job{index}") for index, one in enumerate(found, 1))


def _checked_names(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    names: set[str] = set()
    for stage in stages:
        if stage.name.casefold() in names:
            raise stage.location.error(
                f"The stage name {stage.name} appears more than once. Stage names must be unique within a pipeline."
            )
        names.add(stage.name.casefold())
    return stages


def _trigger(root: Fields, key: str, allowed: frozenset[str]) -> PushTrigger | None:
    node = root.node(key)
    if node is None or (isinstance(node, Text) and not node.text):
        return PushTrigger()
    if isinstance(node, Text):
        if node.text == "none":
            return None
        raise node.location.error(
            f"Unexpected value '{node.text}': {key} must be none, a list of branches, or a mapping"
        )
    if isinstance(node, Items):
        return PushTrigger(branches=Filter(root.texts(key) or ()))
    fields = Fields(node, allowed, key)
    return PushTrigger(
        branches=_filter(fields.node("branches"), "branches"),
        tags=_filter(fields.node("tags"), "tags") if "tags" in allowed else None,
        paths=_filter(fields.node("paths"), "paths"),
        batch=fields.boolean("batch") if "batch" in allowed else False,
    )


def _filter(node: Node | None, what: str) -> Filter | None:
    if node is None:
        return None
    if isinstance(node, Items):
        return Filter(tuple(item.text for item in node.nodes if isinstance(item, Text)))
    fields = Fields(node, ("include", "exclude"), what)
    return Filter(fields.texts("include") or (), fields.texts("exclude") or ())


def _schedule(node: Node) -> Schedule:
    fields = Fields(node, _SCHEDULE, "a schedule")
    if not fields.text("cron"):
        raise fields.location.error("A schedule needs a `cron`")
    branches = _filter(fields.node("branches"), "branches")
    if branches is None:
        raise fields.location.error("A schedule needs `branches`: without them it never runs")
    # Whether anything changed since the last run is unknown here, so that `always` has no effect.
    fields.boolean("always")
    return Schedule(fields.text("cron"), branches)


def _resources(node: Node | None) -> tuple[PipelineResource, ...]:
    # Long ago `resources` was a list, of which `repo: self` is left in many files.
    if node is None or (isinstance(node, Items) and all(_is_self(item) for item in node.nodes)):
        return ()
    fields = Fields(node, _RESOURCES, "resources")
    return tuple(_pipeline_resource(item) for item in fields.items("pipelines"))


def _is_self(node: Node) -> bool:
    return isinstance(node, Entries) and node.find("repo") is not None


def _pipeline_resource(node: Node) -> PipelineResource:
    fields = Fields(node, _PIPELINE, "a pipeline resource")
    location: SourceLocation = fields.location
    if not fields.text("pipeline"):
        raise location.error("A pipeline resource needs a name: `pipeline`")
    alias, source = fields.text("pipeline"), fields.text("source") or fields.text("pipeline")
    trigger = fields.node("trigger")
    if trigger is None or isinstance(trigger, Text):
        value = trigger.text.lower() if isinstance(trigger, Text) else "none"
        if value not in ("true", "none", "false", ""):
            raise fields.location_of("trigger").error(
                f"Unexpected value '{value}': a trigger must be true, none or a mapping"
            )
        return PipelineResource(alias, source, triggers=value == "true")
    inner = Fields(trigger, ("branches", "enabled", "stages", "tags"), "a pipeline resource's trigger")
    return PipelineResource(
        alias,
        source,
        triggers=inner.boolean("enabled", default=True),
        branches=_filter(inner.node("branches"), "branches"),
        stages=inner.texts("stages") or (),
        tags=inner.texts("tags") or (),
    )
