"""The event to replay, from the command line's options."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mlops.core.errors import InputError
from mlops.replaying.source import Source
from workflow_replay.events import Completed, Dispatch, Event, Manual, MergeGroup, PullRequest, Push, Schedule

_BRANCH: Final = "refs/heads/"


@dataclass(frozen=True)
class EventOptions:
    """Options of the event; `type` is that of a repository_dispatch, or the workflow of a workflow_run."""

    name: str
    base: str | None = None
    action: str = "opened"
    type: str | None = None
    cron: str | None = None
    payload: str | None = None
    title: str = "A change"
    inputs: Mapping[str, str] = field(default_factory=dict)


def event(options: EventOptions, source: Source) -> Event:
    """The event in the scratch copy. Raises InputError for invalid options."""
    ref = f"{_BRANCH}{source.branch}"
    match options.name:
        case "push":
            return Push(ref, source.before)
        case "pull_request":
            return _pull_request(options, source)
        case "workflow_dispatch":
            return Manual(ref, options.inputs)
        case "schedule":
            return Schedule(options.cron)
        case "repository_dispatch":
            return Dispatch(_required(options.type, "--type"), _payload(options.payload))
        case "workflow_run":
            return Completed(_required(options.type, "--type"), source.branch)
        case _:
            return MergeGroup(ref, options.base or source.default_branch)


def pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """Parse NAME=VALUE. Raises InputError for anything else."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {word!r} is not of the form NAME=VALUE", f"Use {option} NAME=VALUE.")
        found[name] = value
    return found


def from_shell(names: Sequence[str]) -> dict[str, str]:
    """Environment variables by name. Raises InputError if one is not set."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(f"the variable {missing[0]} is not set", f"Set it first: export {missing[0]}=…")
    return {name: os.environ[name] for name in names}


def _pull_request(options: EventOptions, source: Source) -> PullRequest:
    base = options.base or source.default_branch
    if base == source.branch:
        raise InputError(f"a pull request needs a branch other than {base}", "Name its head branch: --ref my-change")
    return PullRequest(
        head=source.branch,
        base=base,
        action=options.action,  # ty: ignore[invalid-argument-type] - validated against the workflow's triggers
        title=options.title,
        merged=options.action == "closed",
    )


def _payload(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    advice = """Pass an object, such as '{"data": "v2"}'"""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"--payload is not valid JSON: {error}", advice) from error
    if not isinstance(found, dict):
        raise InputError("--payload is not a JSON object", advice)
    return found


def _required(value: str | None, option: str) -> str:
    if value is None:
        raise InputError(f"this event requires {option}", f"Add {option} NAME.")
    return value
