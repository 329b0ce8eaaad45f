"""The steps of a job, as they stand in a file, as data. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from workflow_replay.azure.expressions import ExpressionError, parse
from workflow_replay.azure.expressions.syntax import STEP_CONDITION
from workflow_replay.azure.expressions.syntax import Place as ExpressionPlace
from workflow_replay.azure.pipeline.fields import Fields
from workflow_replay.azure.pipeline.model import Step, StepKind
from workflow_replay.azure.templates.tree import Entries, Node, Place

MOST_RETRIES = 10
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
    "download": frozenset({"artifact", "patterns", "path"}),
}
_KINDS: tuple[StepKind, ...] = get_args(StepKind)


def steps(nodes: Iterable[Node]) -> tuple[Step, ...]:
    """Return the steps of a list. Raises WorkflowError."""
    found = tuple(_step(node) for node in nodes)
    names: set[str] = set()
    for step in found:
        if step.name and step.name.casefold() in names:
            raise step.place.wrong(f"The step name {step.name} appears more than once in the job.")
        names.add(step.name.casefold())
    return found


def check_condition(text: str | None, place: Place, where: ExpressionPlace) -> str | None:
    """Return a condition that reads well; an empty one is none. Raises WorkflowError."""
    if text is None or not text.strip():
        return None
    try:
        parse(text, where)
    except ExpressionError as error:
        raise place.wrong(f"condition: {error.message}") from error
    return text


def _step(node: Node) -> Step:
    kind = _kind(node)
    fields = Fields(node, _COMMON | _OF_KIND[kind] | {kind}, f"a {kind} step")
    name = fields.text("name")
    if name and not _NAME.match(name):
        raise fields.place_of("name").wrong(f"The step name '{name}' is invalid: letters, digits, - and _")
    subject = fields.text(kind)
    inputs = _inputs(fields, kind)
    for key in _STREAMS & inputs.keys():
        if inputs[key].lower() not in ("", "false"):
            raise node.place.wrong(f"{key} cannot be replayed: a step's two streams of output are one here")
    if kind == "task" and not _TASK.match(subject):
        raise fields.place_of("task").wrong(f"The task '{subject}' has no version", "Write it as Name@1.")
    retries = fields.number("retryCountOnTaskFailure", 0)
    return Step(
        kind=kind,
        subject=subject,
        place=node.place,
        name=name,
        display_name=fields.text("displayName"),
        condition=check_condition(fields.optional_text("condition"), fields.place_of("condition"), STEP_CONDITION),
        continue_on_error=fields.late_boolean("continueOnError"),
        enabled=fields.late_boolean("enabled", default=True),
        timeout_minutes=fields.number("timeoutInMinutes", 0),
        retries=min(int(retries), MOST_RETRIES),
        inputs=inputs,
        environment=fields.text_mapping("env"),
    )


def _inputs(fields: Fields, kind: StepKind) -> dict[str, str]:
    if kind == "task":
        return fields.text_mapping("inputs")
    return {key: fields.text(key) for key in sorted(_OF_KIND[kind]) if fields.has(key)}


def _kind(node: Node) -> StepKind:
    if not isinstance(node, Entries):
        raise node.place.wrong("Expected a mapping: a step")
    for kind in _KINDS:
        if node.find(kind) is not None:
            return kind
    first = node.pairs[0][0] if node.pairs else None
    said = first.text if first else ""
    place = first.place if first else node.place
    if said in ("reviewApp", "getPackage"):
        raise place.wrong(f"Steps of kind {said} cannot be replayed")
    raise place.wrong(f"Unexpected value '{said}': a step is one of {', '.join(_KINDS)}, template")
