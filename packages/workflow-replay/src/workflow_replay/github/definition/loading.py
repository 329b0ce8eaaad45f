"""Reads workflow files and composite actions as GitHub does; rejects unknown keys and unavailable contexts."""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from pathlib import PurePosixPath
from typing import Any, Final

from workflow_replay.common.yaml_document import Mapping, Sequence, parse
from workflow_replay.errors import Limit, Unreplayable, WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.fields import Fields
from workflow_replay.github.definition.loading_triggers import read_triggers
from workflow_replay.github.definition.model import Composite, Input, Job, Raw, Step, Strategy, Workflow
from workflow_replay.github.definition.permissions import read_permissions
from workflow_replay.github.expressions.templates import Availability

_WORKFLOW_KEYS: Final = frozenset(
    {"name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"},
)
_JOB_KEYS: Final = frozenset({
    "name", "permissions", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "defaults",
    "steps", "timeout-minutes", "strategy", "continue-on-error", "container", "services", "snapshot",
})  # fmt: skip
_CALL_KEYS: Final = frozenset(
    {"name", "permissions", "needs", "if", "concurrency", "strategy", "uses", "with", "secrets"},
)
_STEP_KEYS: Final = frozenset({
    "id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error",
    "timeout-minutes",
})  # fmt: skip
_OF_CONTAINERS: Final = ("container", "services", "snapshot")
_WITHOUT_CONTAINERS: Final = "cannot be replayed: steps run on this machine, without containers"
_COMPOSITE_STEP_KEYS: Final = _STEP_KEYS - {"timeout-minutes"}
_ACTION_KEYS: Final = frozenset({"name", "author", "description", "inputs", "outputs", "runs", "branding"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MAX_NAME_LENGTH: Final = 100


def read_workflow(text: str, file: str) -> Workflow:
    """Read a workflow file. Raises WorkflowError for everything that GitHub rejects before it starts a run."""
    top = Fields(file, parse(text, file), 1, "the workflow", _WORKFLOW_KEYS)
    for key in ("on", "jobs"):
        if top.value(key) is None:
            raise WorkflowError(file, top.line(key), f"the workflow needs `{key}`")
    workflow = Workflow(
        file=file,
        name=top.text("name") or file,
        triggers=read_triggers(file, top.value("on"), top.line("on")),
        jobs=_jobs(top),
        run_name=top.raw("run-name", availability.WORKFLOW),
        permissions=read_permissions(top),
        env=top.raw("env", availability.WORKFLOW_ENV),
        defaults=_defaults(top, availability.WORKFLOW),
        concurrency=_concurrency(top, availability.WORKFLOW),
    )
    _check_needs(workflow)
    return workflow


def read_composite(text: str, file: str) -> Composite:
    """Read the action.yml of a composite action. Raises WorkflowError, and Unreplayable for other kinds."""
    top = Fields(file, parse(text, file), 1, "the action", _ACTION_KEYS)
    runs = Fields(file, top.value("runs"), top.line("runs"), "runs", frozenset({"using", "steps"}) | _OTHER_KINDS)
    if runs.text("using") != "composite":
        advice = "Declare an effect for it, by its path."
        place = f"{file}:{runs.line('using')}"
        message = "only composite actions can be replayed"
        raise Unreplayable(Limit(place, message, advice, "effect", f"./{PurePosixPath(file).parent}"))
    inputs: dict[str, Input] = {}
    for key, value, line in _entries(top, "inputs"):
        entry = Fields(file, value, line, f"inputs.{key}", _ACTION_INPUT_KEYS)
        inputs[key] = Input("string", entry.flag("required"), entry.raw("default", availability.COMPOSITE))
    outputs: dict[str, Raw] = {}
    for key, value, line in _entries(top, "outputs"):
        entry = Fields(file, value, line, f"outputs.{key}", frozenset({"description", "value"}))
        output = entry.raw("value", availability.COMPOSITE_OUTPUT)
        if output is None:
            raise WorkflowError(file, line, f"outputs.{key} needs a value")
        outputs[key] = output
    return Composite(file, top.text("name") or file, inputs, outputs, _steps(runs, composite=True))


_OTHER_KINDS: Final = frozenset(
    {"main", "pre", "pre-if", "post", "post-if", "image", "args", "env", "entrypoint", "pre-entrypoint"},
)
_ACTION_INPUT_KEYS: Final = frozenset({"description", "required", "default", "deprecationMessage", "type"})


def _jobs(top: Fields) -> dict[str, Job]:
    jobs = {}
    for key, value, line in _entries(top, "jobs"):
        _check_name(top.file, key, line, "job")
        jobs[key] = _job(top.file, key, value, line)
    if not jobs:
        raise WorkflowError(top.file, top.line("jobs"), "the workflow has no jobs")
    return jobs


def _job(file: str, id: str, value: Any, line: int) -> Job:  # noqa: A002 - the service's term
    where = f"jobs.{id}"
    calls = isinstance(value, Mapping) and "uses" in value
    job = Fields(file, value, line, where, _CALL_KEYS if calls else _JOB_KEYS)
    if not calls and ("runs-on" not in job or "steps" not in job):
        raise WorkflowError(file, line, f"{where} needs `runs-on` and `steps`, or `uses`")
    return Job(
        id=id,
        line=line,
        condition=job.condition(availability.JOB_IF),
        needs=job.texts("needs") or (),
        name=job.raw("name", availability.JOB),
        runs_on=job.raw("runs-on", availability.JOB),
        permissions=read_permissions(job),
        environment=_environment(job),
        concurrency=_concurrency(job, availability.JOB),
        outputs=job.raws("outputs", availability.JOB_OUTPUT),
        env=job.raw("env", availability.JOB_ENV),
        defaults=_defaults(job, availability.JOB_DEFAULTS),
        timeout=job.raw("timeout-minutes", availability.JOB),
        strategy=_strategy(job),
        continue_on_error=job.raw("continue-on-error", availability.JOB),
        steps=() if calls else _steps(job),
        uses=job.text("uses"),
        inputs=job.raw("with", availability.JOB),
        secrets=job.raw("secrets", availability.CALL_SECRET),
        limit=next((job.limit(key, _WITHOUT_CONTAINERS) for key in _OF_CONTAINERS if key in job), None),
    )


def _strategy(job: Fields) -> Strategy:
    if job.value("strategy") is None:
        return Strategy()
    keys = frozenset({"matrix", "fail-fast", "max-parallel"})
    strategy = Fields(job.file, job.value("strategy"), job.line("strategy"), f"{job.where}.strategy", keys)
    return Strategy(
        strategy.raw("matrix", availability.STRATEGY),
        strategy.raw("fail-fast", availability.STRATEGY),
        strategy.raw("max-parallel", availability.STRATEGY),
    )


def _environment(job: Fields) -> Raw | None:
    value = job.value("environment")
    if not isinstance(value, Mapping):
        return job.raw("environment", availability.JOB)
    keys = frozenset({"name", "url", "deployment"})
    inner = Fields(job.file, value, job.line("environment"), f"{job.where}.environment", keys)
    inner.raw("url", availability.ENVIRONMENT_URL)
    name = inner.raw("name", availability.JOB)
    if name is None:
        raise job.error("environment", "needs a name")
    return name


def _concurrency(owner: Fields, available: Availability) -> Raw | None:
    value = owner.value("concurrency")
    if isinstance(value, Mapping):
        keys = frozenset({"group", "cancel-in-progress"})
        inner = Fields(owner.file, value, owner.line("concurrency"), f"{owner.where}.concurrency", keys)
        if inner.value("group") is None:
            raise owner.error("concurrency", "needs a group")
    return owner.raw("concurrency", available)


def _defaults(owner: Fields, available: Availability) -> Raw | None:
    if owner.value("defaults") is None:
        return None
    where = f"{owner.where}.defaults"
    outer = Fields(owner.file, owner.value("defaults"), owner.line("defaults"), where, frozenset({"run"}))
    if outer.value("run") is None:
        return None
    Fields(owner.file, outer.value("run"), outer.line("run"), f"{where}.run", frozenset({"shell", "working-directory"}))
    return outer.raw("run", available)


def _steps(owner: Fields, *, composite: bool = False) -> tuple[Step, ...]:
    value = owner.value("steps")
    if not isinstance(value, Sequence):
        raise owner.error("steps", "must be a list")
    steps = tuple(
        _step(owner.file, item, line, f"{owner.where}.steps[{number}]", composite=composite)
        for number, (item, line) in enumerate(value.items_with_lines())
    )
    seen: set[str] = set()
    for step in steps:
        if step.id is None:
            continue
        if step.id.lower() in seen:
            raise WorkflowError(owner.file, step.line, f"{owner.where}: duplicate step id {step.id!r}")
        seen.add(step.id.lower())
    return steps


def _step(file: str, value: Any, line: int, where: str, *, composite: bool) -> Step:
    step = Fields(file, value, line, where, _COMPOSITE_STEP_KEYS if composite else _STEP_KEYS)
    if ("run" in step) == ("uses" in step):
        raise WorkflowError(file, line, f"{where} needs either `run` or `uses`")
    for key, owner in (("shell", "run"), ("working-directory", "run"), ("with", "uses")):
        if key in step and owner not in step:
            raise step.error(key, f"is allowed only with `{owner}`")
    if composite and "run" in step and "shell" not in step:
        raise step.error("run", "needs `shell` in a composite action")
    available = availability.COMPOSITE if composite else availability.STEP
    id = step.text("id")  # noqa: A001 - the service's term
    if id is not None:
        _check_name(file, id, step.line("id"), "step")
    return Step(
        line=line,
        condition=step.condition(availability.COMPOSITE_IF if composite else availability.STEP_IF),
        id=id,
        name=step.raw("name", available),
        run=step.raw("run", available),
        uses=step.text("uses"),
        shell=step.raw("shell", available),
        inputs=step.raw("with", available),
        env=step.raw("env", available),
        working_directory=step.raw("working-directory", available),
        timeout=step.raw("timeout-minutes", available),
        continue_on_error=step.raw("continue-on-error", available),
    )


def _entries(owner: Fields, key: str) -> list[tuple[str, Any, int]]:
    value = owner.value(key)
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise owner.error(key, "must be a mapping")
    return list(value.items_with_lines())


def _check_name(file: str, name: str, line: int, kind: str) -> None:
    if not _NAME.fullmatch(name) or len(name) >= _MAX_NAME_LENGTH:
        raise WorkflowError(
            file, line, f"invalid {kind} id {name!r}: use letters, digits, - and _, and start with a letter or _"
        )


def _check_needs(workflow: Workflow) -> None:
    jobs: Map[str, Job] = workflow.jobs
    for job in jobs.values():
        for needed in job.needs:
            if needed not in jobs:
                raise WorkflowError(workflow.file, job.line, f"jobs.{job.id} needs the unknown job {needed!r}")
    done: set[str] = set()
    while len(done) < len(jobs):
        ready = [job.id for job in jobs.values() if job.id not in done and set(job.needs) <= done]
        if not ready:
            stuck = next(job for job in jobs.values() if job.id not in done)
            raise WorkflowError(workflow.file, stuck.line, f"jobs.{stuck.id} depends on itself")
        done.update(ready)
