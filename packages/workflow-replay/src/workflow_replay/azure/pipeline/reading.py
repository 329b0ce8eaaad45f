"""An expanded pipeline file as a checked Pipeline: its root, its stages, its triggers and resources. Pure.

A file of `steps` is one job `Job`, a file of `jobs` one stage `__default`, as in the service.
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
from workflow_replay.azure.templates.tree import Entries, Items, Node, Place, Text

_OF_SINGLE_JOB = ("container", "continueOnError", "services", "steps", "strategy", "workspace")
_ROOT = frozenset(
    {"appendCommitMessageToRunName", "jobs", "lockBehavior", "name", "pool", "pr", "resources", "schedules", "stages"}
    | {"trigger", "variables"}
    | set(_OF_SINGLE_JOB)
)
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
    """Return the pipeline of an expanded file. Raises WorkflowError with file and line."""
    root = Fields(tree, _ROOT, "a pipeline")
    stages = _stages(root, tree)
    if not stages:
        raise root.place.wrong("A pipeline needs stages, jobs, steps, or a template to extend")
    stage_dependencies(stages)
    for stage in stages:
        job_dependencies(stage)
    return replace(
        start(tree, file),
        name=root.text("name"),
        stages=stages,
        variables=variables(root.node("variables"), ROOT_VARIABLE),
        lock_behavior=_lock(root),
    )


def start(tree: Entries, file: str) -> Pipeline:
    """Return when a pipeline starts, without what it does. Raises WorkflowError with file and line."""
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
        raise root.place_of(given[1]).wrong(f"Unexpected value '{given[1]}': there are {given[0]} already")
    if root.has("stages"):
        return _checked_names(tuple(_stage(node) for node in root.items("stages")))
    if root.has("jobs"):
        return (Stage(DEFAULT_STAGE, root.place_of("jobs"), _named(jobs(root.items("jobs")))),)
    if root.has("steps"):
        return (Stage(DEFAULT_STAGE, root.place_of("steps"), (_single_job(tree),)),)
    return ()


def _single_job(tree: Entries) -> Job:
    pairs = tuple(pair for pair in tree.pairs if pair[0].text in _OF_SINGLE_JOB)
    name = (Text("job", tree.place), Text(DEFAULT_JOB, tree.place, quoted=True))
    return job(Entries((name, *pairs), tree.place_of("steps")))


def _stage(node: Node) -> Stage:
    fields = Fields(node, _STAGE, "a stage")
    name = fields.text("stage")
    if not NAME.match(name):
        raise fields.place_of("stage").wrong(f"The stage name '{name}' is invalid: letters, digits and _")
    found = _named(jobs(fields.items("jobs")))
    if not found:
        raise fields.place.wrong(f"Stage {name} must contain at least one job with no dependencies.")
    return Stage(
        name=name,
        place=fields.place,
        jobs=found,
        display_name=fields.text("displayName"),
        depends_on=fields.texts("dependsOn"),
        condition=check_condition(fields.optional_text("condition"), fields.place_of("condition"), JOB_CONDITION),
        variables=variables(fields.node("variables"), INNER_VARIABLE),
        lock_behavior=_lock(fields),
        is_manual=_is_manual(fields),
    )


def _is_manual(fields: Fields) -> bool:
    text = fields.text("trigger", "automatic")
    if text not in ("manual", "automatic"):
        raise fields.place_of("trigger").wrong(f"Unexpected value '{text}': a stage's trigger is manual or automatic")
    return text == "manual"


def _lock(fields: Fields) -> str | None:
    lock = fields.optional_text("lockBehavior")
    if lock is not None and lock not in _LOCKS:
        raise fields.place_of("lockBehavior").wrong(f"Unexpected value '{lock}': a lock is {' or '.join(_LOCKS)}")
    return lock


def _named(found: tuple[Job, ...]) -> tuple[Job, ...]:
    """Give jobs without a name one by their position, since results need one."""
    return tuple(one if one.name else replace(one, name=f"Job{index}") for index, one in enumerate(found, 1))


def _checked_names(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    names: set[str] = set()
    for stage in stages:
        if stage.name.casefold() in names:
            raise stage.place.wrong(
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
        raise node.place.wrong(f"Unexpected value '{node.text}': {key} is none, branches, or a mapping")
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
        raise fields.place.wrong("A schedule needs a `cron`")
    branches = _filter(fields.node("branches"), "branches")
    if branches is None:
        raise fields.place.wrong("A schedule needs `branches`: without them it starts nothing")
    return Schedule(fields.text("cron"), branches, fields.boolean("always"))


def _resources(node: Node | None) -> tuple[PipelineResource, ...]:
    if node is None:
        return ()
    fields = Fields(node, _RESOURCES, "resources")
    for key in ("repositories", "containers", "builds", "packages", "webhooks"):
        if fields.items(key):
            raise fields.place_of(key).wrong(f"Resources of kind `{key}` cannot be replayed")
    return tuple(_pipeline_resource(item) for item in fields.items("pipelines"))


def _pipeline_resource(node: Node) -> PipelineResource:
    fields = Fields(node, _PIPELINE, "a pipeline resource")
    place: Place = fields.place
    if not fields.text("pipeline"):
        raise place.wrong("A pipeline resource needs a name: `pipeline`")
    alias, source = fields.text("pipeline"), fields.text("source") or fields.text("pipeline")
    trigger = fields.node("trigger")
    if trigger is None or isinstance(trigger, Text):
        said = trigger.text.lower() if isinstance(trigger, Text) else "none"
        if said not in ("true", "none", "false", ""):
            raise fields.place_of("trigger").wrong(f"Unexpected value '{said}': a trigger is true, none or a mapping")
        return PipelineResource(alias, source, triggers=said == "true")
    inner = Fields(trigger, ("branches", "enabled", "stages", "tags"), "a pipeline resource's trigger")
    return PipelineResource(
        alias,
        source,
        triggers=inner.boolean("enabled", default=True),
        branches=_filter(inner.node("branches"), "branches"),
        stages=inner.texts("stages") or (),
        tags=inner.texts("tags") or (),
    )
