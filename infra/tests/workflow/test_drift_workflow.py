"""What the drift handler does: its definition, as deployed, is executed against the services that it calls.

`contract/` has an event as `mlops` sends it, and what CI receives for it; the tests of `mlops` read the same files.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from naming import Names
from resources.events.drift_workflow import definition_of
from tests.conftest import dry_run_of
from tests.workflow.expressions import Scope, Unsupported, value_of
from tests.workflow.interpreter import FAILED, SUCCEEDED, Interpreter, Run
from tests.workflow.services import TOKEN, Services, serving

CONTRACT = Path(__file__).parents[1] / "contract"
EVENT: dict[str, Any] = json.loads((CONTRACT / "drift_event.json").read_text())
RECEIVED: dict[str, Any] = json.loads((CONTRACT / "handed_on.json").read_text())
SECRETS = re.compile(r"github_pat_|gh[pousr]_|Bearer (?!@)|sig=|SharedAccessKey")
MINUTES_BETWEEN = 15


class Handler:
    """The deployed handler of prod, with its services."""

    def __init__(self, services: Services, hosts: dict[str, tuple[str, int]]) -> None:
        self.services = services
        self._interpreter = Interpreter(deployed(), hosts)

    def poll(self) -> Run:
        """One run of the workflow, and then the time until its next one."""
        run = self._interpreter.run()
        self.services.pass_minutes(MINUTES_BETWEEN)
        return run


def deployed() -> dict[str, Any]:
    """The definition as the program declares it."""
    return copy.deepcopy(dry_run_of("prod-drift").one("logic:Workflow").inputs["definition"])


@pytest.fixture
def handler() -> Iterator[Handler]:
    names = Names("credit-default", "prod", "00000000-0000-0000-0000-000000000000")
    queue = f"{names.drift_namespace}.servicebus.windows.net"
    services = Services(queue, f"{names.handler_vault}.vault.azure.net", names.identity_id("handler"))
    with serving(services) as hosts:
        yield Handler(services, hosts)


def changed(**data: Any) -> dict[str, Any]:
    """The event with other data."""
    return EVENT | {"data": EVENT["data"] | data}


@pytest.mark.parametrize("kind", ["application/json", "application/cloudevents+json; charset=utf-8", "text/plain"])
def test_drift_notifies_both_systems_and_is_removed_from_the_queue(handler: Handler, kind: str) -> None:
    # given an event, with any content type that the queue returns
    handler.services.deliver(EVENT, kind)

    run = handler.poll()

    assert run.status == SUCCEEDED, run.history
    assert handler.services.dispatches == [RECEIVED["github"]]
    assert handler.services.runs == [RECEIVED["azure_devops"]]
    assert not handler.services.messages


def test_nothing_is_notified_while_nothing_drifts(handler: Handler) -> None:
    assert handler.poll().status == SUCCEEDED
    assert [request.path for request in handler.services.requests] == ["/drift-found/messages/head"]


def test_a_duplicate_event_sends_the_same_notification_twice(handler: Handler) -> None:
    # given the same event twice; `mlops retrain` makes sure that it starts one training only
    handler.services.deliver(EVENT)
    handler.services.deliver(EVENT)

    assert [handler.poll().status, handler.poll().status] == [SUCCEEDED, SUCCEEDED]

    assert handler.services.dispatches == [RECEIVED["github"]] * 2


def test_events_out_of_order_all_notify(handler: Handler) -> None:
    for record in (19, 17, 18):
        handler.services.deliver(changed(record=record))

    for _ in range(3):
        assert handler.poll().status == SUCCEEDED

    assert [run["templateParameters"]["because"] for run in handler.services.runs] == ["prod/19", "prod/17", "prod/18"]


@pytest.mark.parametrize("host", ["api.github.com", "dev.azure.com"])
def test_a_system_that_is_down_for_an_hour_is_notified_when_it_is_back(handler: Handler, host: str) -> None:
    handler.services.deliver(EVENT)
    handler.services.down = {host}

    for _ in range(4):
        assert handler.poll().status == FAILED
        assert len(handler.services.messages) == 1
    handler.services.down = set()
    assert handler.poll().status == SUCCEEDED

    assert handler.services.dispatches[-1:] == [RECEIVED["github"]]
    assert handler.services.runs[-1:] == [RECEIVED["azure_devops"]]
    assert not handler.services.messages


def test_drift_that_is_not_accepted_for_a_day_is_dead_lettered_not_lost(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    handler.services.down = {"api.github.com"}

    for _ in range(24 * 60 // MINUTES_BETWEEN):
        handler.poll()

    assert [json.loads(message.body) for message in handler.services.dead_letters] == [EVENT]
    assert not handler.services.messages
    assert not handler.services.dispatches


def test_an_expired_token_keeps_the_drift_in_the_queue(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    handler.services.token = "another"

    run = handler.poll()

    assert (run.status, run.of("Notify_GitHub").status) == (FAILED, FAILED)
    assert len(handler.services.messages) == 1


def test_a_sign_in_page_does_not_count_as_accepted(handler: Handler) -> None:
    # given an identity that is unknown to Azure DevOps: it responds with 203
    handler.services.deliver(EVENT)
    handler.services.knows_handler = False

    run = handler.poll()

    assert (run.status, run.error["code"]) == (FAILED, "NotAccepted")
    assert len(handler.services.messages) == 1


@pytest.mark.parametrize(
    "text",
    [
        "$(touch x); `touch x`",
        "@{body('Read_token')['value']}",
        "@outputs('Receive')",
        '"}, {"',
        "##vso[x]",
        "x" * 200_000,
    ],
    ids=["shell", "expression in text", "expression", "JSON", "log command", "long"],
)
def test_text_in_events_stays_text_and_is_cut_to_length(handler: Handler, text: str) -> None:
    handler.services.deliver(changed(reason=text, model=text) | {"source": text, "more": text})

    assert handler.poll().status == SUCCEEDED

    (dispatch,) = handler.services.dispatches
    assert dispatch["client_payload"]["data"]["reason"] == text[:500]
    assert set(dispatch["client_payload"]) == set(RECEIVED["github"]["client_payload"])
    assert handler.services.runs == [RECEIVED["azure_devops"]]


@pytest.mark.parametrize(
    "message",
    [
        changed(record="17/../../x"),
        changed(record=None),
        changed(record=1.5),
        {**EVENT, "data": [EVENT["data"]]},
        [EVENT],
        b"{",
        b"\xff\xfe",
        {},
    ],
    ids=["text", "nothing", "fraction", "list of data", "list", "half", "bytes", "empty"],
)
def test_an_unreadable_message_notifies_nothing_and_blocks_nothing(handler: Handler, message: Any) -> None:
    # given another message in front of an event
    handler.services.deliver(message)
    handler.services.deliver(EVENT)

    run = handler.poll()

    # then the run fails and shows the message, and the next run continues
    assert (run.status, run.error["code"]) == (FAILED, "Unreadable")
    assert run.of("Receive").outputs["body"]
    assert not handler.services.dispatches
    assert not handler.services.runs
    assert handler.poll().status == SUCCEEDED
    assert handler.services.runs == [RECEIVED["azure_devops"]]


def test_the_notification_is_about_the_handlers_own_stage(handler: Handler) -> None:
    handler.services.deliver(changed(stage="dev"))

    handler.poll()

    assert handler.services.dispatches[0]["client_payload"]["data"]["stage"] == "prod"


def test_no_secret_is_in_the_definition_or_in_the_run_history(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    run = handler.poll()

    for shown in (json.dumps(deployed()), json.dumps([vars(each) for each in run.history])):
        assert TOKEN not in shown
        assert not SECRETS.search(shown)


def test_each_service_is_called_over_tls_with_a_token_of_its_own() -> None:
    audiences = {}
    for name, action in requests_of(deployed()["actions"]):
        address = urlsplit(action["inputs"]["uri"])
        if address.netloc:
            assert address.scheme == "https", name
            audiences[name] = action["inputs"].get("authentication", {}).get("audience")
    assert audiences == {
        "Receive": "https://servicebus.azure.net",
        "Read_token": "https://vault.azure.net",
        "Notify_GitHub": None,
        "Run_pipeline": "499b84ac-1321-427f-aa17-267ca6975798",
    }


def requests_of(actions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, action in actions.items():
        if action["type"] == "Http":
            yield name, action
        yield from requests_of(action.get("actions", {}))


def test_one_system_alone_needs_nothing_from_the_other() -> None:
    text = json.dumps(dry_run_of("dev-drift").one("logic:Workflow").inputs["definition"])
    assert "dev.azure.com" in text
    assert "github" not in text
    assert "vault" not in text


def test_the_definition_depends_on_its_settings_alone() -> None:
    from resources.events.drift_workflow import GitHubRepository, WorkflowSettings

    settings = WorkflowSettings(
        "prod", "https://q/drift", "/identity", GitHubRepository("o", "r", "https://v/secrets/t"), None
    )
    assert json.loads(json.dumps(definition_of(settings))) == definition_of(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"actions": {"A": {"type": "JavaScriptCode", "inputs": "1"}}},
        {"actions": {"A": {"type": "Compose", "inputs": "@uriComponent('x')"}}},
        {"actions": {"A": {"type": "Compose", "inputs": 1, "limit": {}}}},
        {"actions": {"A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Succeeded"]}}}},
        {"outputs": {}},
    ],
    ids=["action", "function", "key", "order", "part"],
)
def test_the_interpreter_refuses_what_it_does_not_support(changes: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        Interpreter(deployed() | changes, {}).run()


def test_values_are_not_expressions() -> None:
    assert value_of("@outputs('A')", Scope({"A": "@outputs('A')"})) == "@outputs('A')"
