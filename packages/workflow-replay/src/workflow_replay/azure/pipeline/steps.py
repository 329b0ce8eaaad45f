"""Reads the steps of a job. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import get_args

from workflow_replay.azure.expressions import ExpressionError, parse
from workflow_replay.azure.expressions.syntax import STEP_CONDITION, Availability
from workflow_replay.azure.pipeline.fields import Fields
from workflow_replay.azure.pipeline.model import Step, StepKind
from workflow_replay.azure.templates.tree import Entries, Node, SourceLocation
from workflow_replay.errors import Limit

MAX_RETRIES = 10
_NAME = re.compile(r"[A-Za-z_][-_A-Za-z0-9]*\Z")
_TASK = re.compile(r"[A-Za-z0-9_.\-]+@\d+(\.\d+\.\d+)?\Z")
_COMMON = frozenset(
    {"condition", "continueOnError", "displayName", "enabled", "env", "name", "retryCountOnTaskFailure", "target"}
    | {"timeoutInMinutes"}
)
_STREAMS = frozenset({"failOnStderr", "failOnStandardError"})
_SHELL = frozenset({"failOnStderr", "workingDirectory"})
_POWERSHELL = _SHELL | {"errorActionPreference", "ignoreLASTEXITCODE"}
_CHECKOUT = frozenset(
    {"clean", "fetchDepth", "fetchFilter", "fetchTags", "lfs", "path", "persistCredentials"}
    | {"sparseCheckoutDirectories", "sparseCheckoutPatterns", "submodules", "workspaceRepo"}
)
_OF_KIND: dict[StepKind, frozenset[str]] = {
    "script": _SHELL,
    "bash": _SHELL,
    "pwsh": _POWERSHELL,
    "powershell": _POWERSHELL,
    "checkout": _CHECKOUT,
    "task": frozenset({"inputs"}),
    "publish": frozenset({"artifact"}),
    # The former name of `publish`, which many files have.
    "upload": frozenset({"artifact"}),
    "download": frozenset({"artifact", "patterns", "path"}),
    "reviewApp": frozenset({"resourceName"}),
    "getPackage": frozenset({"path"}),
}
_NOT_REPLAYED: tuple[StepKind, ...] = ("reviewApp", "getPackage")
_KINDS: tuple[StepKind, ...] = get_args(StepKind)


def steps(nodes: Iterable[Node]) -> tuple[Step, ...]:
    """Return the steps of a list. Raises WorkflowError."""
    found = tuple(_step(node) for node in nodes)
    names: set[str] = set()
    for step in found:
        if step.name and step.name.casefold() in names:
            raise step.location.error(f"The step name {step.name} appears more than once in the job.")
        names.add(step.name.casefold())
    return found


def check_condition(text: str | None, location: SourceLocation, available: Availability) -> str | None:
    """Validate a condition; an empty one is None. Raises WorkflowError."""
    if text is None or not text.strip():
        return None
    try:
        parse(text, available)
    except ExpressionError as error:
        raise location.error(f"condition: {error.message}") from error
    return text


def _step(node: Node) -> Step:
    kind = _kind(node)
    fields = Fields(node, _COMMON | _OF_KIND[kind] | {kind}, f"a {kind} step")
    name = fields.text("name")
    if name and not _NAME.match(name):
        raise fields.location_of("name").error(f"The step name '{name}' is invalid: use letters, digits, - and _")
    subject = fields.text(kind)
    inputs = _inputs(fields, kind)
    if kind == "task" and not _TASK.match(subject):
        raise fields.location_of("task").error(f"The task '{subject}' has no version", "Write it as Name@1.")
    retries = fields.number("retryCountOnTaskFailure", 0)
    return Step(
        kind=kind,
        subject=subject,
        location=node.location,
        name=name,
        display_name=fields.text("displayName"),
        condition=check_condition(fields.optional_text("condition"), fields.location_of("condition"), STEP_CONDITION),
        continue_on_error=fields.runtime_boolean("continueOnError"),
        enabled=fields.runtime_boolean("enabled", default=True),
        timeout_minutes=fields.number("timeoutInMinutes", 0),
        retries=min(int(retries), MAX_RETRIES),
        inputs=inputs,
        environment=fields.text_mapping("env"),
        limit=_limit(node.location, kind, inputs),
    )


def _limit(location: SourceLocation, kind: StepKind, inputs: Mapping[str, str]) -> Limit | None:
    if kind in _NOT_REPLAYED:
        return location.limit(f"steps of kind {kind} cannot be replayed")
    for key in sorted(_STREAMS & inputs.keys()):
        if inputs[key].lower() not in ("", "false"):
            return location.limit(f"{key} cannot be replayed: standard error is merged into standard output")
    return None


def _inputs(fields: Fields, kind: StepKind) -> dict[str, str]:
    if kind == "task":
        return fields.text_mapping("inputs")
    return {key: fields.text(key) for key in sorted(_OF_KIND[kind]) if fields.has(key)}


def _kind(node: Node) -> StepKind:
    if not isinstance(node, Entries):
        raise node.location.error("Expected a mapping: a step")
    for kind in _KINDS:
        if node.find(kind) is not None:
            return kind
    first = node.pairs[0][0] if node.pairs else None
    key = first.text if first else ""
    location = first.location if first else node.location
    raise location.error(f"Unexpected value '{key}': a step must be one of {', '.join(_KINDS)}, template")
