"""Reads and validates the `on` key of a workflow; triggers.py decides whether an event matches."""

from __future__ import annotations

import re
from typing import Any, Final

from workflow_replay.common.yaml_document import Mapping, Sequence
from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.fields import Fields
from workflow_replay.github.definition.model import Filters, Input, Raw, Trigger

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
# Valid in a workflow, although no event of events.py triggers them.
_OTHER_EVENTS: Final = frozenset({
    "branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment", "deployment_status",
    "discussion", "discussion_comment", "fork", "gollum", "issue_comment", "issues", "label", "milestone",
    "page_build", "public", "pull_request_review", "pull_request_review_comment", "registry_package", "release",
    "status", "watch", "image_version",
})  # fmt: skip
_DISPATCH_TYPES: Final = ("string", "boolean", "choice", "number", "environment")
_CALL_TYPES: Final = ("string", "boolean", "number")
_MAX_DISPATCH_INPUTS: Final = 25
_CRON: Final = re.compile(r"(\S+\s+){4}\S+")
_CRON_FIELD: Final = re.compile(r"(\*|[0-9]+(-[0-9]+)?|[A-Za-z]{3}(-[A-Za-z]{3})?)(/[0-9]+)?")


def read_triggers(file: str, value: Any, line: int) -> dict[str, Trigger]:
    """Read `on`: an event, a list of events, or events with filters. Raises WorkflowError."""
    match value:
        case str():
            return {value: _trigger(file, value, None, line)}
        case Sequence():
            return {str(name): _trigger(file, str(name), None, at) for name, at in value.items_with_lines()}
        case Mapping():
            return {name: _trigger(file, name, inner, at) for name, inner, at in value.items_with_lines()}
    raise WorkflowError(file, line, "`on` must name events")


def _trigger(file: str, event: str, value: Any, line: int) -> Trigger:
    if event == "schedule":
        return Trigger(event, line, crons=_crons(file, value, line))
    if event in _OTHER_EVENTS:
        return Trigger(event, line)
    if event not in _KEYS:
        raise WorkflowError(file, line, f"unknown event {event!r}")
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
            raise fields.error(f"{key}-ignore", f"cannot be combined with {key}; use ! patterns in {key}")
        patterns = found[key]
        if patterns and all(pattern.startswith("!") for pattern in patterns):
            raise fields.error(key, f"has only ! patterns and matches nothing; use {key}-ignore")
    return Filters(**found)


def _types(fields: Fields, event: str) -> tuple[str, ...] | None:
    types = fields.texts("types")
    known = _TYPES.get(event)
    for name in types or ():
        if known is not None and name not in known:
            raise fields.error("types", f"unknown type {name!r}; the types are: {', '.join(sorted(known))}")
    return types


def _inputs(fields: Fields, event: str) -> dict[str, Input]:
    value = fields.value("inputs")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.error("inputs", "must be a mapping")
    if event == "workflow_dispatch" and len(value) > _MAX_DISPATCH_INPUTS:
        raise fields.error("inputs", f"has more than {_MAX_DISPATCH_INPUTS} inputs")
    return {name: _input(fields, event, name, inner, line) for name, inner, line in value.items_with_lines()}


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
        raise WorkflowError(owner.file, line, f"{where}: `options` and the type `choice` require each other")
    default = fields.raw("default", availability.CALL_DEFAULT)
    _check_default(fields, kind, options, default)
    return Input(kind, fields.flag("required"), default, options)


def _check_default(fields: Fields, kind: str, options: tuple[str, ...], default: Raw | None) -> None:
    if default is None or (isinstance(default.value, str) and "${{" in default.value):
        return
    valid = {
        "boolean": isinstance(default.value, bool),
        "number": isinstance(default.value, int | float) and not isinstance(default.value, bool),
        "choice": str(default.value) in options,
    }
    if not valid.get(kind, True):
        raise fields.error("default", f"{default.value!r} is not a valid {kind}")


def _secrets(fields: Fields) -> dict[str, bool]:
    value = fields.value("secrets")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.error("secrets", "must be a mapping")
    found = {}
    for name, inner, line in value.items_with_lines():
        keys = frozenset({"description", "required"})
        where = f"{fields.where}.secrets.{name}"
        found[name] = inner is not None and Fields(fields.file, inner, line, where, keys).flag("required")
    return found


def _outputs(fields: Fields) -> dict[str, Raw]:
    value = fields.value("outputs")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.error("outputs", "must be a mapping")
    found = {}
    for name, inner, line in value.items_with_lines():
        where = f"{fields.where}.outputs.{name}"
        raw = Fields(fields.file, inner, line, where, frozenset({"description", "value"})).raw(
            "value", availability.CALL_OUTPUT
        )
        if raw is None:
            raise WorkflowError(fields.file, line, f"{where} needs a value")
        found[name] = raw
    return found


def _crons(file: str, value: Any, line: int) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or not value:
        raise WorkflowError(file, line, "on.schedule must be a list of `- cron: …`")
    found = []
    for item, item_line in value.items_with_lines():
        cron = Fields(file, item, item_line, "on.schedule", frozenset({"cron", "timezone"})).text("cron") or ""
        parts = [part for field in cron.split() for part in field.split(",")]
        if not _CRON.fullmatch(cron) or not all(_CRON_FIELD.fullmatch(part) for part in parts):
            raise WorkflowError(file, item_line, f"{cron!r} is not a cron expression of five fields")
        found.append(cron)
    return tuple(found)
