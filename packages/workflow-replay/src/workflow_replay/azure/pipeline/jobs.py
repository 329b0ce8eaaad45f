"""Reads the jobs and deployments of a stage. No I/O.

Jobs with containers or service containers, and server jobs, are marked as limits of the replay: running their steps on
the host would be misleading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from workflow_replay.azure.expressions.syntax import INNER_VARIABLE, JOB_CONDITION
from workflow_replay.azure.pipeline.fields import Fields, scalar, text_mapping
from workflow_replay.azure.pipeline.model import HOOKS, Environment, HookName, Hooks, Job, Matrix, Slices, Step
from workflow_replay.azure.pipeline.steps import check_condition, steps
from workflow_replay.azure.pipeline.variables import variables
from workflow_replay.azure.templates.tree import Entries, Node, Text
from workflow_replay.errors import Limit

DEFAULT_TIMEOUT_MINUTES = 60.0
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LEG = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")
_RESERVED_DEPLOYMENT = "deploy"
_NOT_REPLAYED = ("container", "services")
_COMMON = frozenset(
    {"cancelTimeoutInMinutes", "condition", "container", "continueOnError", "dependsOn", "displayName", "pool"}
    | {"services", "strategy", "templateContext", "timeoutInMinutes", "uses", "variables", "workspace"}
)
_JOB = _COMMON | {"job", "steps"}
_DEPLOYMENT = _COMMON | {"deployment", "environment"}
_ENVIRONMENT = frozenset({"name", "resourceName", "resourceId", "resourceType", "tags"})
_HOOK = frozenset({"pool", "steps"})
_STRATEGIES = ("runOnce", "rolling", "canary")


def jobs(nodes: Iterable[Node]) -> tuple[Job, ...]:
    """Return the jobs of a list. Raises WorkflowError."""
    found = tuple(_deployment(node) if _is_deployment(node) else job(node) for node in nodes)
    names: set[str] = set()
    for one in found:
        if one.name.casefold() in names:
            raise one.location.error(f"Job {one.name} appears more than once. Job names must be unique within a stage.")
        names.add(one.name.casefold())
    return found


def job(node: Node) -> Job:
    """Return a plain job. Raises WorkflowError."""
    fields = Fields(node, _JOB, "a job")
    if not fields.has("job"):
        raise fields.location.error("A job must have the key `job`, `deployment` or `template`")
    return _common(fields, "job", steps(fields.items("steps")), _strategy(fields))


def _is_deployment(node: Node) -> bool:
    return isinstance(node, Entries) and node.find("deployment") is not None


def _deployment(node: Node) -> Job:
    fields = Fields(node, _DEPLOYMENT, "a deployment")
    if fields.text("deployment") == _RESERVED_DEPLOYMENT:
        raise fields.location_of("deployment").error("The word deploy is a keyword and cannot name a deployment")
    return _common(fields, "deployment", (), None, _hooks(fields), _environment(fields))


def _common(
    fields: Fields,
    key: str,
    own_steps: tuple[Step, ...],
    strategy: Matrix | Slices | None,
    hooks: Hooks | None = None,
    environment: Environment | None = None,
) -> Job:
    name = fields.text(key)
    if name and not NAME.match(name):
        raise fields.location_of(key).error(
            f"The job name '{name}' is invalid: use letters, digits and _, and do not start with a digit"
        )
    return Job(
        name=name,
        location=fields.location,
        display_name=fields.text("displayName"),
        depends_on=fields.texts("dependsOn") or (),
        condition=check_condition(fields.optional_text("condition"), fields.location_of("condition"), JOB_CONDITION),
        continue_on_error=fields.runtime_boolean("continueOnError"),
        timeout_minutes=fields.number("timeoutInMinutes", DEFAULT_TIMEOUT_MINUTES),
        variables=variables(fields.node("variables"), INNER_VARIABLE),
        steps=own_steps,
        strategy=strategy,
        hooks=hooks,
        environment=environment,
        limit=_limit(fields),
    )


def _limit(fields: Fields) -> Limit | None:
    for unsupported in _NOT_REPLAYED:
        if fields.has(unsupported):
            message = f"jobs with `{unsupported}` cannot be replayed: steps run on this machine, without containers"
            return fields.location_of(unsupported).limit(message)
    pool = fields.node("pool")
    if isinstance(pool, Text) and pool.text == "server":
        return fields.location_of("pool").limit("server jobs cannot be replayed: the service itself runs them")
    return None


def _strategy(fields: Fields) -> Matrix | Slices | None:
    node = fields.node("strategy")
    if node is None:
        return None
    strategy = Fields(node, ("matrix", "maxParallel", "parallel"), "a job's strategy")
    if strategy.has("parallel"):
        if strategy.has("matrix"):
            raise strategy.location.error("A strategy has `matrix` or `parallel`, not both")
        return Slices(max(int(strategy.number("parallel", 1)), 1))
    matrix = strategy.node("matrix")
    if matrix is None:
        return None
    max_parallel = int(strategy.number("maxParallel", 0))
    if isinstance(matrix, Text):
        if not matrix.text.startswith("$["):
            raise matrix.location.error("A matrix must be a mapping, or an expression `$[ ]` that returns one as JSON")
        return Matrix({}, matrix.text, max_parallel, matrix.location)
    return Matrix(_legs(matrix), None, max_parallel, matrix.location)


def _legs(matrix: Node) -> dict[str, dict[str, str]]:
    if not isinstance(matrix, Entries):
        raise matrix.location.error("Expected a mapping: a matrix")
    for key, _ in matrix.pairs:
        if not _LEG.match(key.text):
            raise key.location.error(
                f"The leg '{key.text}' of a matrix is invalid: use letters, digits and _, and start with a letter"
            )
    return {name: text_mapping(leg) for name, leg in matrix}


def _environment(fields: Fields) -> Environment:
    node = fields.node("environment")
    if node is None:
        raise fields.location.error("A deployment needs an environment")
    if not isinstance(node, Entries):
        name, _, resource = scalar(node).partition(".")
        return Environment(name, resource)
    environment = Fields(node, _ENVIRONMENT, "an environment")
    name, _, resource = environment.text("name").partition(".")
    return Environment(name, environment.text("resourceName", resource))


def _hooks(fields: Fields) -> Hooks:
    node = fields.node("strategy")
    if node is None:
        raise fields.location.error("A deployment needs a strategy: runOnce, rolling or canary")
    strategy = Fields(node, _STRATEGIES, "a deployment's strategy")
    for name in _STRATEGIES:
        body = strategy.node(name)
        if body is not None:
            return _hooks_of(name, body)
    raise strategy.location.error(f"A deployment's strategy must be one of {', '.join(_STRATEGIES)}")


def _hooks_of(name: str, body: Node) -> Hooks:
    extra = {"rolling": {"maxParallel"}, "canary": {"increments"}}.get(name, set())
    fields = Fields(body, {*HOOKS, "on", *extra}, name)
    found: dict[HookName, tuple[Step, ...]] = {}
    for hook in HOOKS:
        if fields.has(hook):
            found[hook] = _hook_steps(fields, hook)
    if "deploy" not in found:
        raise fields.location.error(f"{name} needs a `deploy` with steps")
    node = fields.node("on")
    if node is not None:
        endings = Fields(node, ("failure", "success"), "`on`")
        for ending in ("failure", "success"):
            if endings.has(ending):
                found[ending] = _hook_steps(endings, ending)
    match name:
        case "canary":
            return Hooks("canary", found, fields.texts("increments") or ())
        case "rolling":
            return Hooks("rolling", found)
        case _:
            return Hooks("runOnce", found)


def _hook_steps(fields: Fields, hook: str) -> tuple[Step, ...]:
    node = fields.node(hook)
    if node is None:
        return ()
    return steps(Fields(node, _HOOK, f"`{hook}`").items("steps"))
