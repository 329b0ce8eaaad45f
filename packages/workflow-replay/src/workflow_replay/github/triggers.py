"""Decides whether an event triggers a workflow, and if not, why. No I/O: the caller supplies the changed paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_replay.errors import EventError
from workflow_replay.github.definition.availability import CALL_DEFAULT
from workflow_replay.github.definition.model import Filters, Input, Trigger, Workflow
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.templates import resolve
from workflow_replay.github.expressions.values import normal, to_number, to_text, truthy
from workflow_replay.github.globs import paths_match, ref_matches
from workflow_replay.github.run_context import RunContext

_DEFAULT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
_FALSE_OR_TRUE: Final = ("true", "false")


@dataclass(frozen=True)
class Decision:
    """Whether the workflow is triggered; `reason` says why not."""

    starts: bool
    reason: str = ""


def decide(workflow: Workflow, context: RunContext, changed: Callable[[], Iterable[str]]) -> Decision:
    """Decide whether an event triggers a workflow; `changed` is called for the changed files if a filter needs them."""
    trigger = workflow.triggers.get(context.name)
    if trigger is None:
        return Decision(False, f"it is not triggered by {context.name}")
    if context.skip_reason:
        return Decision(False, context.skip_reason)
    reason = _type_reason(trigger, context) or _ref_reason(trigger, context) or _other_reason(trigger, context)
    if not reason and _has_path_filter(trigger.filters) and context.before is not None:
        files = tuple(changed())
        if not paths_match(files, trigger.filters):
            reason = f"none of the {len(files)} changed files matches the path filter"
    return Decision(not reason, reason)


def dispatch_inputs(trigger: Trigger, given: Mapping[str, str], scope: Scope) -> dict[str, Any]:
    """The typed inputs of a manual run. Raises EventError for inputs that GitHub would reject."""
    for name in given:
        if name not in trigger.inputs:
            known = ", ".join(trigger.inputs) or "none"
            raise EventError(f"unknown input {name!r}", f"The inputs are: {known}.")
    return {name: _dispatched(name, known, given.get(name), scope) for name, known in trigger.inputs.items()}


def call_inputs(trigger: Trigger, given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The typed inputs of a called workflow. Raises EventError for inputs that GitHub would reject."""
    for name in given:
        if name not in trigger.inputs:
            raise EventError(f"the called workflow has no input {name!r}")
    return {name: _called(name, known, given, scope) for name, known in trigger.inputs.items()}


def _type_reason(trigger: Trigger, context: RunContext) -> str:
    types = trigger.types if trigger.types is not None else _DEFAULT_TYPES.get(context.name)
    if types is None or context.action is None or context.action in types:
        return ""
    return f"it is triggered by {context.name} of the types {', '.join(types)}, not {context.action}"


def _ref_reason(trigger: Trigger, context: RunContext) -> str:
    filters = trigger.filters
    name = context.target or ""
    if context.name == "push":
        return _push_reason(filters, name, is_tag=context.is_tag)
    if not ref_matches(name, filters.branches, filters.branches_ignore):
        return f"the branch {name} does not match its filter"
    return ""


def _push_reason(filters: Filters, name: str, *, is_tag: bool) -> str:
    kind, only, ignored = (
        ("tag", filters.tags, filters.tags_ignore) if is_tag else ("branch", filters.branches, filters.branches_ignore)
    )
    if not ref_matches(name, only, ignored):
        return f"the {kind} {name} does not match its filter"
    others = (filters.branches, filters.branches_ignore) if is_tag else (filters.tags, filters.tags_ignore)
    # A branch filter alone excludes all tags, and the other way round; a path filter alone excludes neither.
    if only is None and ignored is None and any(patterns is not None for patterns in others):
        return f"it filters {'branches' if is_tag else 'tags'} only, and {name} is a {kind}"
    return ""


def _other_reason(trigger: Trigger, context: RunContext) -> str:
    if context.cron is not None and context.cron not in trigger.crons:
        return f"it has no schedule {context.cron!r}"
    if context.workflow is not None and context.workflow not in trigger.workflows:
        return f"it is not triggered by the workflow {context.workflow!r}"
    return ""


def _has_path_filter(filters: Filters) -> bool:
    return filters.paths is not None or filters.paths_ignore is not None


def _dispatched(name: str, known: Input, given: str | None, scope: Scope) -> Any:
    value = given
    if not value and known.default is not None:
        value = to_text(_default(known, scope))
    if not value and known.required:
        raise EventError(f"the input {name!r} is required", f"Pass it: {name}=…")
    if known.type == "boolean":
        if value and value not in _FALSE_OR_TRUE:
            raise EventError(f"the input {name!r} must be true or false, not {value!r}")
        return value == "true"
    if known.type == "number":
        number = to_number(value or "")
        if number != number:
            raise EventError(f"the input {name!r} must be a number, not {value!r}")
        return number
    if known.type == "choice":
        value = value or known.options[0]
        if value not in known.options:
            raise EventError(f"the input {name!r} must be one of {', '.join(known.options)}, not {value!r}")
    return value or ""


def _called(name: str, known: Input, given: Mapping[str, Any], scope: Scope) -> Any:
    if name not in given:
        if known.required:
            raise EventError(f"the called workflow requires the input {name!r}")
        empty = {"boolean": False, "number": 0.0}
        return _default(known, scope) if known.default is not None else empty.get(known.type, "")
    value = given[name]
    if known.type == "boolean" and not isinstance(value, bool):
        raise EventError(f"the input {name!r} of the called workflow must be a boolean, not {value!r}")
    if known.type == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise EventError(f"the input {name!r} of the called workflow must be a number, not {value!r}")
    return to_text(value) if known.type == "string" else value


def _default(known: Input, scope: Scope) -> Any:
    if known.default is None:
        return None
    value = known.default.value
    found = resolve(value, CALL_DEFAULT, scope) if isinstance(value, str) else normal(value)
    return truthy(found) if known.type == "boolean" else found
