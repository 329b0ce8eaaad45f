"""Runs a workflow definition as Logic Apps would: the actions and keys that the handler uses; all others are refused.

After "Schema reference guide for trigger and action types" and "Handle errors and exceptions" in Microsoft's
documentation. Requests are real; `hosts` maps a host to its address on this machine.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.workflow.expressions import ExpressionError, Scope, Unsupported, value_of

SUCCEEDED, FAILED, SKIPPED = "Succeeded", "Failed", "Skipped"
HIDDEN = "hidden"
TIMEOUT_SECONDS = 20
ACTION_KEYS = {
    "type",
    "inputs",
    "runAfter",
    "expression",
    "actions",
    "else",
    "operationOptions",
    "runtimeConfiguration",
}
HTTP_KEYS = {"method", "uri", "headers", "body", "authentication", "retryPolicy"}
TRIGGER = {
    "type": "Recurrence",
    "recurrence": {"frequency", "interval"},
    "runtimeConfiguration": {"concurrency"},
}


@dataclass(frozen=True)
class HistoryEntry:
    """One action in the history of a run."""

    name: str
    status: str
    inputs: Any = None
    outputs: Any = None


@dataclass
class Run:
    """One run: its status, the error that ended it, and its history."""

    status: str = SUCCEEDED
    error: Mapping[str, str] = field(default_factory=dict)
    history: list[HistoryEntry] = field(default_factory=list)

    def of(self, name: str) -> HistoryEntry:
        """The entry of an action that was reached."""
        return next(entry for entry in self.history if entry.name == name)


class _Ended(Exception):
    """A Terminate action was reached."""


class Interpreter:
    """A definition, and the services that it calls."""

    def __init__(self, definition: Mapping[str, Any], hosts: Mapping[str, tuple[str, int]]) -> None:
        if set(definition) != {"$schema", "contentVersion", "triggers", "actions"}:
            raise Unsupported(f"keys of a definition: {sorted(definition)}")
        (trigger,) = definition["triggers"].values()
        if set(trigger) != set(TRIGGER) or trigger["type"] != TRIGGER["type"]:
            raise Unsupported(f"the trigger {trigger}")
        if set(trigger["recurrence"]) != TRIGGER["recurrence"]:
            raise Unsupported(f"the recurrence {trigger['recurrence']}")
        self._actions = definition["actions"]
        self._hosts = hosts
        _check_names(self._actions)

    def run(self) -> Run:
        """One run, as when the trigger fires."""
        run = Run()
        outputs: dict[str, Any] = {}
        try:
            run.status = self._all(self._actions, outputs, run)
        except _Ended:
            run.status = FAILED
        return run

    def _all(self, actions: Mapping[str, Any], outputs: dict[str, Any], run: Run) -> str:
        """Run a group of actions in the order of `runAfter`; the status of the group."""
        done: dict[str, str] = {}
        while len(done) < len(actions):
            ready = [name for name in actions if name not in done and set(_after(actions[name])) <= set(done)]
            if not ready:
                raise Unsupported(f"actions that depend on each other: {sorted(set(actions) - set(done))}")
            # Terminate ends what runs beside it: last, so that the order is always the same.
            name = min(ready, key=lambda each: actions[each]["type"] == "Terminate")
            action = actions[name]
            if all(done[before] in statuses for before, statuses in _after(action).items()):
                done[name] = self._one(name, action, outputs, run)
            else:
                done[name] = SKIPPED
                run.history.append(HistoryEntry(name, SKIPPED))
        return FAILED if any(_outcome(name, actions, done) == FAILED for name in _leaves(actions)) else SUCCEEDED

    def _one(self, name: str, action: Mapping[str, Any], outputs: dict[str, Any], run: Run) -> str:
        if unknown := set(action) - ACTION_KEYS:
            raise Unsupported(f"{sorted(unknown)} of the action {name}")
        hidden = action.get("runtimeConfiguration", {}).get("secureData", {}).get("properties", ())
        shown: dict[str, Any] = {}
        try:
            status = self._execute(name, action, outputs, shown, run)
        except ExpressionError as error:
            status, shown["outputs"] = FAILED, str(error)
        shown |= {part: HIDDEN for part in hidden if part in shown}
        run.history.append(HistoryEntry(name, status, shown.get("inputs"), shown.get("outputs")))
        return status

    def _execute(
        self, name: str, action: Mapping[str, Any], outputs: dict[str, Any], shown: dict[str, Any], run: Run
    ) -> str:
        scope = Scope(outputs)
        match action["type"]:
            case "Compose":
                shown["outputs"] = outputs[name] = value_of(action["inputs"], scope)
                return SUCCEEDED
            case "Http":
                request = shown["inputs"] = value_of(action["inputs"], scope)
                answer = shown["outputs"] = outputs[name] = self._send(request)
                return SUCCEEDED if 200 <= answer["statusCode"] < 300 else FAILED
            case "If":
                branch = action["actions"] if _holds(action["expression"], scope) else action["else"]["actions"]
                return self._all(branch, outputs, run)
            case "Terminate":
                run.error = value_of(action["inputs"], scope)["runError"]
                raise _Ended
            case other:
                raise Unsupported(f"an action of the type {other}")

    def _send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := set(request) - HTTP_KEYS:
            raise Unsupported(f"{sorted(unknown)} of a request")
        if request["retryPolicy"] != {"type": "none"}:
            raise Unsupported("a request with retries")
        address = urlsplit(request["uri"])
        if address.scheme != "https":
            raise ExpressionError(f"{request['uri']} is not an https address")
        headers = {"Host": address.netloc, **request.get("headers", {})}
        if "authentication" in request:
            headers["Authorization"] = f"Bearer {token_of(**request['authentication'])}"
        body = json.dumps(request["body"]).encode() if "body" in request else b""
        address_here = self._hosts.get(address.netloc)
        if address_here is None:
            raise ExpressionError(f"unknown host {address.netloc}")
        connection = http.client.HTTPConnection(*address_here, timeout=TIMEOUT_SECONDS)
        try:
            path = f"{address.path}?{address.query}" if address.query else address.path
            connection.request(request["method"], path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return {"statusCode": answer.status, "headers": dict(answer.getheaders()), "body": _body(answer, content)}


def token_of(*, type: str, identity: str, audience: str) -> str:  # noqa: A002 - the definition's name
    """In place of an Entra token: the identity it was issued to, and its audience."""
    if type != "ManagedServiceIdentity":
        raise Unsupported(f"authentication of the type {type}")
    return base64.b64encode(json.dumps([identity, audience]).encode()).decode()


def _body(answer: http.client.HTTPResponse, content: bytes) -> Any:
    """A body as expressions get it: JSON and text as they are, everything else in Base64."""
    kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else "application/octet-stream"
    if not content:
        return None
    if kind == "application/json":
        try:
            return json.loads(content)
        except ValueError as error:
            raise ExpressionError(f"the response is not valid JSON: {error}") from error
    if kind.startswith("text/"):
        return content.decode()
    return {"$content-type": kind, "$content": base64.b64encode(content).decode()}


def _holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    ((operator, operands),) = condition.items()
    if operator == "and":
        return all(_holds(each, scope) for each in operands)
    if operator == "equals":
        left, right = (value_of(each, scope) for each in operands)
        return left == right
    raise Unsupported(f"the condition {operator}")


def _after(action: Mapping[str, Any]) -> Mapping[str, list[str]]:
    return action.get("runAfter", {})


def _leaves(actions: Mapping[str, Any]) -> Iterator[str]:
    waited_for = {before for action in actions.values() for before in _after(action)}
    yield from (name for name in actions if name not in waited_for)


def _outcome(name: str, actions: Mapping[str, Any], done: Mapping[str, str]) -> str:
    """The status that a last action contributes: if it was skipped, that of the actions before it."""
    if done[name] != SKIPPED:
        return done[name]
    befores = [_outcome(before, actions, done) for before in _after(actions[name])]
    return FAILED if FAILED in befores else SUCCEEDED


def _check_names(actions: Mapping[str, Any], seen: set[str] | None = None) -> None:
    """The service requires names that are unique in the whole definition."""
    seen = set() if seen is None else seen
    for name, action in actions.items():
        if name in seen:
            raise Unsupported(f"two actions are named {name}")
        seen.add(name)
        _check_names(action.get("actions", {}), seen)
        _check_names(action.get("else", {}).get("actions", {}), seen)
