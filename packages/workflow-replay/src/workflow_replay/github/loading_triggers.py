"""The `on` of a workflow file read and checked; whether an event matches is left to triggers.py."""

from __future__ import annotations

import re
from typing import Any, Final

from workflow_replay.documents import Mapping, Sequence
from workflow_replay.errors import WorkflowError
from workflow_replay.github import places
from workflow_replay.github.fields import Fields
from workflow_replay.github.workflow import Filters, Input, Raw, Trigger

_FILTERS: Final = ("branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore")
_KEYS: Final[dict[str, frozenset[str]]] = {
    "push": frozenset(_FILTERS),
    "pull_request": frozenset({"types", "branches", "branches-ignore", "paths", "paths-ignore"}),
    "pull_request_target": frozenset({"types", "branches", "branches-ignore", "paths", "paths-ignore"}),
    "merge_group": frozenset({"types", "branches", "branches-ignore"}),
    "workflow_dispatch": frozenset({"inputs"}),
    "workflow_call": frozenset({"inputs", "secrets", "outputs"}),
    "repository_dispatch": frozenset({"types"}),
    "workflow_run": frozenset({"workflows", "types", "branches", "branches-ignore"}),
}
_PULL_REQUEST_TYPES: Final = frozenset({
    "assigned", "unassigned", "labeled", "unlabeled", "opened", "edited", "closed", "reopened", "synchronize",
    "converted_to_draft", "locked", "unlocked", "enqueued", "dequeued", "milestoned", "demilestoned",
    "ready_for_review", "review_requested", "review_request_removed", "auto_merge_enabled", "auto_merge_disabled",
})  # fmt: skip
_TYPES: Final[dict[str, frozenset[str]]] = {
    "pull_request": _PULL_REQUEST_TYPES,
    "pull_request_target": _PULL_REQUEST_TYPES,
    "merge_group": frozenset({"checks_requested"}),
    "workflow_run": frozenset({"completed", "requested", "in_progress"}),
}
# Known, but nothing here makes them happen; a workflow may still listen to them.
_OTHERS: Final = frozenset({
    "branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment", "deployment_status",
    "discussion", "discussion_comment", "fork", "gollum", "issue_comment", "issues", "label", "milestone",
    "page_build", "public", "pull_request_review", "pull_request_review_comment", "registry_package", "release",
    "status", "watch", "image_version",
})  # fmt: skip
_DISPATCH_TYPES: Final = ("string", "boolean", "choice", "number", "environment")
_CALL_TYPES: Final = ("string", "boolean", "number")
_MOST_DISPATCH_INPUTS: Final = 25
_CRON: Final = re.compile(r"(\S+\s+){4}\S+")
_CRON_FIELD: Final = re.compile(r"(\*|[0-9]+(-[0-9]+)?|[A-Za-z]{3}(-[A-Za-z]{3})?)(/[0-9]+)?")


def read_triggers(file: str, value: Any, line: int) -> dict[str, Trigger]:
    """Read `on`: a name, a list of names, or names with their filters. Raises WorkflowError."""
    match value:
        case str():
            return {value: _trigger(file, value, None, line)}
        case Sequence():
            return {str(name): _trigger(file, str(name), None, place) for name, place in value.lined()}
        case Mapping():
            return {name: _trigger(file, name, inner, place) for name, inner, place in value.lined()}
    raise WorkflowError(file, line, "`on` needs the names of events")


def _trigger(file: str, event: str, value: Any, line: int) -> Trigger:
    if event == "schedule":
        return Trigger(event, line, crons=_crons(file, value, line))
    if event in _OTHERS:
        return Trigger(event, line)
    if event not in _KEYS:
        raise WorkflowError(file, line, f"there is no event {event!r}")
    if value is None:
        return Trigger(event, line)
    fields = Fields(file, value, line, f"on.{event}", _KEYS[event])
    return Trigger(
        event=event,
        line=line,
        filters=_filters(fields),
        types=_types(fields, event),
        inputs=_inputs(fields, event),
        secrets=_secrets(fields),
        outputs=_outputs(fields),
        workflows=fields.texts("workflows") or (),
    )


def _filters(fields: Fields) -> Filters:
    found = {key.replace("-", "_"): fields.texts(key) for key in _FILTERS}
    for key in ("branches", "tags", "paths"):
        if found[key] is not None and found[f"{key}_ignore"] is not None:
            raise fields.wrong(f"{key}-ignore", f"cannot stand beside {key}; use ! patterns in {key}")
        patterns = found[key]
        if patterns and all(pattern.startswith("!") for pattern in patterns):
            raise fields.wrong(key, f"has only ! patterns and would match nothing; use {key}-ignore")
    return Filters(**found)


def _types(fields: Fields, event: str) -> tuple[str, ...] | None:
    types = fields.texts("types")
    known = _TYPES.get(event)
    for name in types or ():
        if known is not None and name not in known:
            raise fields.wrong("types", f"there is no type {name!r}; there are: {', '.join(sorted(known))}")
    return types


def _inputs(fields: Fields, event: str) -> dict[str, Input]:
    value = fields.value("inputs")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.wrong("inputs", "needs keys and values")
    if event == "workflow_dispatch" and len(value) > _MOST_DISPATCH_INPUTS:
        raise fields.wrong("inputs", f"there may be {_MOST_DISPATCH_INPUTS} at most")
    return {name: _input(fields, event, name, inner, line) for name, inner, line in value.lined()}


def _input(owner: Fields, event: str, name: str, value: Any, line: int) -> Input:
    if value is None and event == "workflow_dispatch":
        return Input()
    where = f"{owner.where}.inputs.{name}"
    keys = {"description", "required", "default", "type", "deprecationMessage"}
    fields = Fields(owner.file, value, line, where, keys | ({"options"} if event == "workflow_dispatch" else set()))
    known = _DISPATCH_TYPES if event == "workflow_dispatch" else _CALL_TYPES
    kind = fields.text("type") or ("string" if event == "workflow_dispatch" else "")
    if kind not in known:
        raise WorkflowError(owner.file, line, f"{where} needs a type: {', '.join(known)}")
    options = fields.texts("options") or ()
    if (kind == "choice") != bool(options):
        raise WorkflowError(owner.file, line, f"{where}: options and the type choice need each other")
    default = fields.raw("default", places.CALL_DEFAULT)
    _check_default(fields, kind, options, default)
    return Input(kind, fields.flag("required"), default, options)


def _check_default(fields: Fields, kind: str, options: tuple[str, ...], default: Raw | None) -> None:
    if default is None or (isinstance(default.value, str) and "${{" in default.value):
        return
    fits = {
        "boolean": isinstance(default.value, bool),
        "number": isinstance(default.value, int | float) and not isinstance(default.value, bool),
        "choice": str(default.value) in options,
    }
    if not fits.get(kind, True):
        raise fields.wrong("default", f"{default.value!r} is no {kind}")


def _secrets(fields: Fields) -> dict[str, bool]:
    value = fields.value("secrets")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.wrong("secrets", "needs keys and values")
    found = {}
    for name, inner, line in value.lined():
        keys = frozenset({"description", "required"})
        where = f"{fields.where}.secrets.{name}"
        found[name] = inner is not None and Fields(fields.file, inner, line, where, keys).flag("required")
    return found


def _outputs(fields: Fields) -> dict[str, Raw]:
    value = fields.value("outputs")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.wrong("outputs", "needs keys and values")
    found = {}
    for name, inner, line in value.lined():
        where = f"{fields.where}.outputs.{name}"
        raw = Fields(fields.file, inner, line, where, frozenset({"description", "value"})).raw(
            "value", places.CALL_OUTPUT
        )
        if raw is None:
            raise WorkflowError(fields.file, line, f"{where} needs a value")
        found[name] = raw
    return found


def _crons(file: str, value: Any, line: int) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or not value:
        raise WorkflowError(file, line, "on.schedule needs a list of `- cron: …`")
    found = []
    for item, item_line in value.lined():
        cron = Fields(file, item, item_line, "on.schedule", frozenset({"cron", "timezone"})).text("cron") or ""
        parts = [part for field in cron.split() for part in field.split(",")]
        if not _CRON.fullmatch(cron) or not all(_CRON_FIELD.fullmatch(part) for part in parts):
            raise WorkflowError(file, item_line, f"{cron!r} is no cron line of five fields")
        found.append(cron)
    return tuple(found)
