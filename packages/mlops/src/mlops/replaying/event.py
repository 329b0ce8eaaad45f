"""The event that a replay plays, from what somebody typed."""

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
    """What was typed: `base` is a pull request's, `type` a dispatch's type or the name of the other workflow."""

    name: str
    base: str | None = None
    action: str = "opened"
    type: str | None = None
    cron: str | None = None
    payload: str | None = None
    title: str = "A change"
    inputs: Mapping[str, str] = field(default_factory=dict)


def event(options: EventOptions, source: Source) -> Event:
    """The event in the scratch copy. Raises InputError for options that make none."""
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
            return Dispatch(_needed(options.type, "--type"), _payload(options.payload))
        case "workflow_run":
            return Completed(_needed(options.type, "--type"), source.branch)
        case _:
            return MergeGroup(ref, options.base or source.default_branch)


def pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """Words of the form NAME=VALUE. Raises InputError for others."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {word!r} is not of the form NAME=VALUE", f"Type: {option} NAME=VALUE")
        found[name] = value
    return found


def from_shell(names: Sequence[str]) -> dict[str, str]:
    """The shell's variables of these names. Raises InputError for one that is not set."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(f"the variable {missing[0]} is not set", f"Set it first: export {missing[0]}=…")
    return {name: os.environ[name] for name in names}


def _pull_request(options: EventOptions, source: Source) -> PullRequest:
    base = options.base or source.default_branch
    if base == source.branch:
        raise InputError(
            f"a pull request from {base} into {base} is none", "Name the branch that it comes from: --ref my-change"
        )
    return PullRequest(
        head=source.branch,
        base=base,
        action=options.action,  # ty: ignore[invalid-argument-type] - the triggers say which actions there are
        title=options.title,
        merged=options.action == "closed",
    )


def _payload(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"--payload is no JSON: {error}", 'Type an object, such as \'{"data": "v2"}\'') from error
    if not isinstance(found, dict):
        raise InputError("--payload is no JSON object", 'Type an object, such as \'{"data": "v2"}\'')
    return found


def _needed(value: str | None, option: str) -> str:
    if value is None:
        raise InputError(f"this event needs {option}", f"Add {option} NAME.")
    return value
