"""What the handler of drift does: its definition, as it is deployed, is executed against the services that it asks.

`contract/` holds an event as `mlops` sends it, and what CI is handed for it; `mlops`' own tests read the same files.
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
from resources.drift_workflow import definition_of
from tests.conftest import rehearsal_of
from tests.workflow.expressions import NotUnderstood, Scope, value_of
from tests.workflow.interpreter import FAILED, SUCCEEDED, Interpreter, Run
from tests.workflow.services import TOKEN, Services, serving

CONTRACT = Path(__file__).with_name("contract")
EVENT: dict[str, Any] = json.loads((CONTRACT / "drift_event.json").read_text())
HANDED_ON: dict[str, Any] = json.loads((CONTRACT / "handed_on.json").read_text())
SECRETS = re.compile(r"github_pat_|gh[pousr]_|Bearer (?!@)|sig=|SharedAccessKey")
MINUTES_BETWEEN = 15


class Handler:
    """The deployed handler of prod between its services."""

    def __init__(self, services: Services, hosts: dict[str, tuple[str, int]]) -> None:
        self.services = services
        self._interpreter = Interpreter(deployed(), hosts)

    def look(self) -> Run:
        """What the trigger does, and then the time until it does it again."""
        run = self._interpreter.run()
        self.services.pass_minutes(MINUTES_BETWEEN)
        return run


def deployed() -> dict[str, Any]:
    """The definition as the program declares it."""
    return copy.deepcopy(rehearsal_of("prod-told").one("logic:Workflow").inputs["definition"])


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
def test_drift_is_told_to_both_systems_and_taken_off_the_queue(handler: Handler, kind: str) -> None:
    # given an event, as whichever type the queue gives it back
    handler.services.deliver(EVENT, kind)

    run = handler.look()

    assert run.status == SUCCEEDED, run.history
    assert handler.services.dispatches == [HANDED_ON["github"]]
    assert handler.services.runs == [HANDED_ON["azure_devops"]]
    assert not handler.services.messages


def test_nothing_is_asked_of_anybody_while_nothing_drifts(handler: Handler) -> None:
    assert handler.look().status == SUCCEEDED
    assert [request.path for request in handler.services.requests] == ["/drift-found/messages/head"]


def test_an_event_that_comes_twice_is_told_twice_with_the_same_words(handler: Handler) -> None:
    # given the same event twice; that it begins one training only is seen to by `mlops retrain`
    handler.services.deliver(EVENT)
    handler.services.deliver(EVENT)

    assert [handler.look().status, handler.look().status] == [SUCCEEDED, SUCCEEDED]

    assert handler.services.dispatches == [HANDED_ON["github"]] * 2


def test_events_out_of_order_are_all_told(handler: Handler) -> None:
    for record in (19, 17, 18):
        handler.services.deliver(changed(record=record))

    for _ in range(3):
        assert handler.look().status == SUCCEEDED

    assert [run["templateParameters"]["because"] for run in handler.services.runs] == ["prod/19", "prod/17", "prod/18"]


@pytest.mark.parametrize("host", ["api.github.com", "dev.azure.com"])
def test_a_system_that_is_down_for_an_hour_is_told_when_it_is_back(handler: Handler, host: str) -> None:
    handler.services.deliver(EVENT)
    handler.services.down = {host}

    for _ in range(4):
        assert handler.look().status == FAILED
        assert len(handler.services.messages) == 1
    handler.services.down = set()
    assert handler.look().status == SUCCEEDED

    assert handler.services.dispatches[-1:] == [HANDED_ON["github"]]
    assert handler.services.runs[-1:] == [HANDED_ON["azure_devops"]]
    assert not handler.services.messages


def test_drift_that_nobody_takes_for_a_day_is_set_aside_not_lost(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    handler.services.down = {"api.github.com"}

    for _ in range(24 * 60 // MINUTES_BETWEEN):
        handler.look()

    assert [json.loads(message.body) for message in handler.services.set_aside] == [EVENT]
    assert not handler.services.messages
    assert not handler.services.dispatches


def test_a_token_that_ended_keeps_the_drift(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    handler.services.token = "another"

    run = handler.look()

    assert (run.status, run.of("Tell_GitHub").status) == (FAILED, FAILED)
    assert len(handler.services.messages) == 1


def test_a_page_to_sign_in_is_no_agreement(handler: Handler) -> None:
    # given an identity that Azure DevOps does not know: it answers with 203
    handler.services.deliver(EVENT)
    handler.services.knows_handler = False

    run = handler.look()

    assert (run.status, run.error["code"]) == (FAILED, "NotTaken")
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
def test_texts_of_others_stay_texts_and_short(handler: Handler, text: str) -> None:
    handler.services.deliver(changed(reason=text, model=text) | {"source": text, "more": text})

    assert handler.look().status == SUCCEEDED

    (dispatch,) = handler.services.dispatches
    assert dispatch["client_payload"]["data"]["reason"] == text[:500]
    assert set(dispatch["client_payload"]) == set(HANDED_ON["github"]["client_payload"])
    assert handler.services.runs == [HANDED_ON["azure_devops"]]


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
def test_what_is_no_event_is_told_to_nobody_and_blocks_nobody(handler: Handler, message: Any) -> None:
    # given something else in front of an event
    handler.services.deliver(message)
    handler.services.deliver(EVENT)

    run = handler.look()

    # then the run is red, says so and shows it, and the next one goes on
    assert (run.status, run.error["code"]) == (FAILED, "Unreadable")
    assert run.of("Receive").outputs["body"]
    assert not handler.services.dispatches
    assert not handler.services.runs
    assert handler.look().status == SUCCEEDED
    assert handler.services.runs == [HANDED_ON["azure_devops"]]


def test_a_stage_tells_of_itself_only(handler: Handler) -> None:
    handler.services.deliver(changed(stage="dev"))

    handler.look()

    assert handler.services.dispatches[0]["client_payload"]["data"]["stage"] == "prod"


def test_no_secret_stands_in_the_definition_or_in_a_runs_history(handler: Handler) -> None:
    handler.services.deliver(EVENT)
    run = handler.look()

    for shown in (json.dumps(deployed()), json.dumps([vars(each) for each in run.history])):
        assert TOKEN not in shown
        assert not SECRETS.search(shown)


def test_each_service_is_asked_in_its_own_name_and_over_tls() -> None:
    asked = {}
    for name, action in requests_of(deployed()["actions"]):
        address = urlsplit(action["inputs"]["uri"])
        if address.netloc:
            assert address.scheme == "https", name
            asked[name] = action["inputs"].get("authentication", {}).get("audience")
    assert asked == {
        "Receive": "https://servicebus.azure.net",
        "Read_token": "https://vault.azure.net",
        "Tell_GitHub": None,
        "Tell_Azure_DevOps": "499b84ac-1321-427f-aa17-267ca6975798",
    }


def requests_of(actions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, action in actions.items():
        if action["type"] == "Http":
            yield name, action
        yield from requests_of(action.get("actions", {}))


def test_one_system_alone_needs_nothing_of_the_other() -> None:
    text = json.dumps(rehearsal_of("dev-told").one("logic:Workflow").inputs["definition"])
    assert "dev.azure.com" in text
    assert "github" not in text
    assert "vault" not in text


def test_the_definition_is_data_of_its_wiring_alone() -> None:
    from resources.drift_workflow import GitHubRepository, Wiring

    wiring = Wiring("prod", "https://q/drift", "/identity", GitHubRepository("o", "r", "https://v/secrets/t"), None)
    assert json.loads(json.dumps(definition_of(wiring))) == definition_of(wiring)


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
def test_the_interpreter_refuses_what_it_does_not_know(changes: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood):
        Interpreter(deployed() | changes, {}).run()


def test_values_are_no_expressions() -> None:
    assert value_of("@outputs('A')", Scope({"A": "@outputs('A')"})) == "@outputs('A')"
